// BERT with a classifier of whole texts, over the pooled first token.

import type * as tf from "@tensorflow/tfjs";
import { Dropout, type Layer, Linear, nameModules } from "../../nn/index.js";
import type { ModelInputs, ModelOutput } from "../hostModel.js";
import { sequenceLoss } from "../sequenceLoss.js";
import type { TextHead } from "../text/checkpoint.js";
import type { TextConfig } from "../text/config.js";
import { initializerOf, type SequenceClassifierOptions, TextHost } from "../text/host.js";
import type { TextOutput } from "../text/model.js";
import { BertModel } from "./model.js";

const HEAD: TextHead = { task: "SequenceClassification", prefix: "classifier." };

/**
 * Names what a text, or a pair of texts, is. Inputs as `BertModel` has them; for training also `labels`: [batch] int32, or
 * [batch, labels] float32 where a text has several labels, or [batch] float32 for a regression.
 */
export class BertForSequenceClassification extends TextHost {
  readonly bert: BertModel;
  readonly dropout: Layer;
  readonly classifier: Layer;

  /** A model with new weights. @param options.seed of the weights, @defaultValue 0 */
  constructor(config: TextConfig, { seed = 0 }: { seed?: number } = {}) {
    super(config);
    const init = initializerOf(config, seed);
    this.bert = new BertModel(config, { seed, pooler: true });
    this.dropout = new Dropout(config.dropout.classifier);
    this.classifier = new Linear(config.hiddenSize, config.labels.length, { init });
    nameModules(this);
  }

  /** Loads a folder as `BertModel` does. @throws PeftError as there, and KEY_MISMATCH where a head is missing */
  static fromPretrained(
    directory: string,
    options: SequenceClassifierOptions = {},
  ): Promise<BertForSequenceClassification> {
    const make = (config: TextConfig, given: { seed: number }) => new BertForSequenceClassification(config, given);
    return TextHost.load(directory, options, { type: "bert", head: HEAD, make });
  }

  override get encoder(): BertModel {
    return this.bert;
  }

  override get head(): TextHead {
    return HEAD;
  }

  /** logits: [batch, labels] */
  protected override logitsOf(output: TextOutput): tf.Tensor {
    return this.classifier.forward(this.dropout.forward(this.bert.pool(output)));
  }

  /** As the config's problem has it, see `sequenceLoss`. @throws PeftError SHAPE_MISMATCH for labels of another shape */
  override loss({ logits }: ModelOutput, { labels }: ModelInputs): tf.Tensor {
    return sequenceLoss(logits, labels!, this.config.problemType);
  }
}
