// The audio spectrogram transformer with a norm and a linear classifier over the mean of its two tokens in front.

import type * as tf from "@tensorflow/tfjs";
import { Layer, LayerNorm, Linear, nameModules, normal } from "../../nn/index.js";
import { chooseHead } from "../head.js";
import { HostModel, type ModelArguments, type ModelInputs, type ModelOutput } from "../hostModel.js";
import { checkClasses } from "../ids.js";
import type { NameTable } from "../names.js";
import { type ProblemType, sequenceLoss } from "../sequenceLoss.js";
import { VIT_NAMES } from "../vit/names.js";
import { type ASTLoadingOptions, hasHead, loadAST } from "./checkpoint.js";
import { type ASTConfig, serializeASTConfig } from "./config.js";
import { ASTModel, meanOfFirst } from "./model.js";

export interface ASTForAudioClassificationOptions extends ASTLoadingOptions {
  /**
   * Names of the classes. Where they are not those of the file, the head starts anew: N(0, initializer_range^2), bias 0.
   *
   * @defaultValue the file's
   */
  labels?: readonly string[];
  /** What the numbers mean. @defaultValue as the config has it */
  problemType?: ProblemType;
}

/** [batch, D] to [batch, labels]. */
class ASTMLPHead extends Layer {
  readonly layernorm: Layer;
  readonly dense: Layer;

  constructor({ hiddenSize, labels, layerNormEps, initializerRange }: ASTConfig, seed: number) {
    super();
    this.layernorm = new LayerNorm(hiddenSize, layerNormEps);
    this.dense = new Linear(hiddenSize, labels.length, { init: normal(initializerRange, seed) });
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return this.dense.forward(this.layernorm.forward(x));
  }
}

/**
 * Inputs: `inputValues` [batch, frames, bins], log-mel spectrograms, normalised; for training also `labels`: [batch] int32, or
 * [batch, labels] float32 where a sound has several labels.
 */
export class ASTForAudioClassification extends HostModel {
  readonly audio_spectrogram_transformer: ASTModel;
  readonly classifier: Layer;

  /** A model with new weights. @param options.seed of the weights, @defaultValue 0 */
  constructor(
    readonly config: ASTConfig,
    { seed = 0 }: { seed?: number } = {},
  ) {
    super();
    this.audio_spectrogram_transformer = new ASTModel(config, { seed });
    this.classifier = new ASTMLPHead(config, seed);
    nameModules(this);
  }

  /** Loads a folder as `ASTModel` does. @throws PeftError as there, and KEY_MISMATCH where a head is missing */
  static async fromPretrained(
    directory: string,
    options: ASTForAudioClassificationOptions = {},
  ): Promise<ASTForAudioClassification> {
    const model = await loadAST(directory, options, "audio_spectrogram_transformer.", (found, opened) => {
      const { labels, keepsHead } = chooseHead(found.labels, options.labels, hasHead(opened));
      const problemType = options.problemType ?? found.problemType;
      const config = { ...found, labels, ...(problemType && { problemType }) };
      return { model: new ASTForAudioClassification(config, options), keepsHead };
    });
    model.nameOrPath = directory;
    return model;
  }

  override checkInputs(inputs: ModelArguments): void {
    checkClasses(inputs, this.config.labels.length, this.config.problemType);
  }

  override configJSON(): Record<string, unknown> {
    return serializeASTConfig(this.config, "ASTForAudioClassification");
  }

  override get headPath(): string {
    return "classifier";
  }

  override get names(): NameTable {
    return VIT_NAMES;
  }

  override get defaultTargets(): readonly string[] {
    return ["query", "value"];
  }

  override forward({ inputValues }: ModelInputs): ModelOutput {
    const output = this.audio_spectrogram_transformer.forward(inputValues!);
    return { logits: this.classifier.forward(meanOfFirst(output)), hiddenStates: output.hiddenStates };
  }

  /** As the config's problem has it, see `sequenceLoss`. @throws PeftError SHAPE_MISMATCH for labels of another shape */
  override loss({ logits }: ModelOutput, { labels }: ModelInputs): tf.Tensor {
    return sequenceLoss(logits, labels!, this.config.problemType);
  }
}
