// The vision transformer with a linear classifier over the class token.

import type * as tf from "@tensorflow/tfjs";
import { type Layer, Linear, nameModules, normal } from "../../nn/index.js";
import { classificationLoss } from "../classificationLoss.js";
import { chooseHead } from "../head.js";
import { HostModel, type ModelArguments, type ModelInputs, type ModelOutput } from "../hostModel.js";
import { checkClasses } from "../ids.js";
import { loadParameters, withModel } from "../loading.js";
import type { NameTable } from "../names.js";
import type { ProblemType } from "../sequenceLoss.js";
import { hasPart, readViTConfig, type ViTLoadingOptions, viTNames } from "./checkpoint.js";
import { serializeViTConfig, type ViTConfig } from "./config.js";
import { classToken, ViTModel } from "./model.js";
import { VIT_NAMES } from "./names.js";

export interface ViTForImageClassificationOptions extends ViTLoadingOptions {
  /**
   * Names of the classes. Where they are not those of the file, the head starts anew: N(0, initializer_range^2), bias 0.
   *
   * @defaultValue the file's
   */
  labels?: readonly string[];
  /** What the numbers mean. @defaultValue as the config has it */
  problemType?: ProblemType;
}

/**
 * Inputs: `pixelValues` [batch, channels, height, width]; for training also `labels`, [batch] int32, or the shares of the
 * classes, [batch, classes] float32; for several labels at once, where the config names that problem, zeros and ones.
 */
export class ViTForImageClassification extends HostModel {
  readonly config: ViTConfig;
  readonly vit: ViTModel;
  readonly classifier: Layer;

  /** A model with new weights. @param options.seed of the weights, @defaultValue 0 */
  constructor(config: ViTConfig, options: { seed?: number } = {}) {
    super();
    const seed = options.seed ?? 0;
    this.config = config;
    this.vit = new ViTModel(config, { seed, pooler: false });
    const init = normal(config.initializerRange, seed);
    this.classifier = new Linear(config.hiddenSize, config.labels.length, { init });
    nameModules(this);
  }

  /**
   * Loads a folder with `config.json` and safetensors: Hugging Face's, of any ViT (names of transformers 4 and 5, with or
   * without a head, a pooler, the prefix `vit.`), or timm's. Half precision is widened to float32.
   *
   * @throws PeftError HUB_ID for a model's name on the hub, FILE_MISSING, CONFIG_INVALID, CHECKPOINT_INVALID,
   *   SAFETENSORS_INVALID; KEY_MISMATCH with `{ missing, unexpected, misshapen }`
   */
  static async fromPretrained(
    directory: string,
    options: ViTForImageClassificationOptions = {},
  ): Promise<ViTForImageClassification> {
    return withModel(directory, (opened) => {
      const found = readViTConfig(opened, options);
      const { labels, keepsHead } = chooseHead(found.labels, options.labels, hasPart(opened, "head"));
      const problemType = options.problemType ?? found.problemType;
      const config = { ...found, labels, ...(problemType && { problemType }) };
      const model = new ViTForImageClassification(config, { seed: options.seed });
      const hint = hasPart(opened, "head") ? undefined : "the file has no head: give labels to start with a new one";
      const translate = viTNames(opened, "vit.", keepsHead ? ["head"] : []);
      loadParameters(model, opened, translate, { hint, except: keepsHead ? [] : ["classifier."] });
      model.nameOrPath = directory;
      return model;
    });
  }

  override checkInputs(inputs: ModelArguments): void {
    checkClasses(inputs, this.config.labels.length, this.config.problemType);
  }

  override configJSON(): Record<string, unknown> {
    return serializeViTConfig(this.config);
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

  override forward({ pixelValues }: ModelInputs): ModelOutput {
    const output = this.vit.forward(pixelValues!);
    return { logits: this.classifier.forward(classToken(output)), hiddenStates: output.hiddenStates };
  }

  /** As the config's problem has it, see `classificationLoss`. @throws PeftError SHAPE_MISMATCH for labels of another shape */
  override loss({ logits }: ModelOutput, { labels }: ModelInputs): tf.Tensor {
    return classificationLoss(logits, labels!, this.config.problemType);
  }
}
