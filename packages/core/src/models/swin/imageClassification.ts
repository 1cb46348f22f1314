// The Swin transformer with a linear classifier over the mean of its tokens.

import * as tf from "@tensorflow/tfjs";
import { type Layer, Linear, nameModules, normal } from "../../nn/index.js";
import { classificationLoss } from "../classificationLoss.js";
import { checkRates, chooseHead } from "../head.js";
import { HostModel, type ModelArguments, type ModelInputs, type ModelOutput } from "../hostModel.js";
import { checkClasses } from "../ids.js";
import { loadParameters, type OpenModel, type Translate, withModel } from "../loading.js";
import type { NameTable } from "../names.js";
import type { ProblemType } from "../sequenceLoss.js";
import { parseSwinConfig, type SwinConfig, serializeSwinConfig, widthOf } from "./config.js";
import { SwinModel } from "./model.js";
import { SWIN_NAMES } from "./names.js";
import { isTimm, parseTimmConfig, timmNames } from "./timm.js";

export interface SwinForImageClassificationOptions {
  /**
   * Names of the classes. Where they are not those of the file, the head starts anew: N(0, initializer_range^2), bias 0.
   *
   * @defaultValue the file's
   */
  labels?: readonly string[];
  /** What the numbers mean. @defaultValue as the config has it */
  problemType?: ProblemType;
  /** Rates of dropout in training. @defaultValue as the config has it; for timm's files a path rate of 0.1 */
  dropout?: Partial<SwinConfig["dropout"]>;
  /** Which branches stochastic depth leaves out. @defaultValue "both" */
  dropPathOn?: SwinConfig["dropPathOn"];
  /** Of weights that the file does not hold. @defaultValue 0 */
  seed?: number;
}

/**
 * Inputs: `pixelValues` [batch, channels, height, width] of any size whose last grid is no smaller than a window; for
 * training also `labels`, [batch] int32, or the shares of the classes, [batch, classes] float32; for several labels at once, where
 * the config names that problem, zeros and ones.
 */
export class SwinForImageClassification extends HostModel {
  readonly config: SwinConfig;
  readonly swin: SwinModel;
  readonly classifier: Layer;

  /** A model with new weights. @param options.seed of the weights, @defaultValue 0 */
  constructor(config: SwinConfig, { seed = 0 }: { seed?: number } = {}) {
    super();
    const init = normal(config.initializerRange, seed);
    this.config = config;
    this.swin = new SwinModel(config, init);
    this.classifier = new Linear(widthOf(config, config.depths.length - 1), config.labels.length, { init });
    nameModules(this);
  }

  /**
   * Loads a folder with `config.json` and safetensors: Hugging Face's, of any Swin transformer (names of transformers 4 and
   * 5, with or without a head or the prefix `swin.`), or timm's.
   *
   * @throws PeftError HUB_ID for a model's name on the hub, FILE_MISSING, CONFIG_INVALID, CHECKPOINT_INVALID,
   *   SAFETENSORS_INVALID; KEY_MISMATCH with `{ missing, unexpected, misshapen }`
   */
  static async fromPretrained(
    directory: string,
    options: SwinForImageClassificationOptions = {},
  ): Promise<SwinForImageClassification> {
    return withModel(directory, (opened) => {
      const { config: json, configPath, weights } = opened;
      const found = isTimm(weights) ? parseTimmConfig(json, weights, configPath) : parseSwinConfig(json, configPath);
      const dropout = { ...found.dropout, ...options.dropout };
      checkRates(dropout);
      const hasHead = HEADS.some((name) => weights.tensors.has(name));
      const { labels, keepsHead } = chooseHead(found.labels, options.labels, hasHead);
      const dropPathOn = options.dropPathOn ?? found.dropPathOn;
      const problemType = options.problemType ?? found.problemType;
      const config = { ...found, labels, dropout, dropPathOn, ...(problemType && { problemType }) };
      const model = new SwinForImageClassification(config, { seed: options.seed });
      const hint = hasHead ? undefined : "the file has no head: give labels to start with a new one";
      const except = keepsHead ? [] : ["classifier."];
      loadParameters(model, opened, namesIn(opened, keepsHead), { hint, except });
      model.nameOrPath = directory;
      return model;
    });
  }

  override checkInputs(inputs: ModelArguments): void {
    checkClasses(inputs, this.config.labels.length, this.config.problemType);
  }

  override configJSON(): Record<string, unknown> {
    return serializeSwinConfig(this.config);
  }

  override get headPath(): string {
    return "classifier";
  }

  override get names(): NameTable {
    return SWIN_NAMES;
  }

  override get defaultTargets(): readonly string[] {
    return ["query", "value"];
  }

  override forward({ pixelValues }: ModelInputs): ModelOutput {
    const { lastHiddenState, hiddenStates } = this.swin.forward(pixelValues!);
    return { logits: this.classifier.forward(tf.mean(lastHiddenState, 1)), hiddenStates };
  }

  /** As the config's problem has it, see `classificationLoss`. @throws PeftError SHAPE_MISMATCH for labels of another shape */
  override loss({ logits }: ModelOutput, { labels }: ModelInputs): tf.Tensor {
    return classificationLoss(logits, labels!, this.config.problemType);
  }
}

/** Weights of heads in Hugging Face's files, and in timm's of both forms. */
const HEADS = ["classifier.weight", "head.fc.weight", "head.weight"];

/** From a file's names to the model's. */
function namesIn({ weights }: OpenModel, keepsHead: boolean): Translate {
  const hubNames: Translate = isTimm(weights)
    ? timmNames(weights)
    : (fileName) => [SWIN_NAMES.toHost(fileName.replace(/^swin\./, ""))];
  return (fileName) =>
    hubNames(fileName)?.flatMap((name) => {
      if (name.startsWith("classifier.")) return keepsHead ? [name] : [];
      // For pretraining by masked pictures only.
      return name === "embeddings.mask_token" ? [] : [`swin.${name}`];
    });
}
