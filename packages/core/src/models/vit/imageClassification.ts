// The vision transformer with a linear classifier over the class token.

import type * as tf from "@tensorflow/tfjs";
import { type Layer, Linear, nameModules, normal } from "../../nn/index.js";
import { softmaxCrossEntropy } from "../../ops/index.js";
import { HostModel, type ModelInputs, type ModelOutput } from "../hostModel.js";
import type { ViTConfig } from "./config.js";
import { classToken, ViTModel } from "./model.js";

/** Inputs: `pixelValues` [batch, channels, height, width]; for training also `labels` [batch], int32. */
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

  override forward({ pixelValues }: ModelInputs): ModelOutput {
    const output = this.vit.forward(pixelValues!);
    return { logits: this.classifier.forward(classToken(output)), hiddenStates: output.hiddenStates };
  }

  /** Cross-entropy with `labels`, the mean over the batch. */
  override loss({ logits }: ModelOutput, { labels }: ModelInputs): tf.Tensor {
    return softmaxCrossEntropy(logits, labels!);
  }
}
