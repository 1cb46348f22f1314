// RoBERTa with a classifier of whole texts, over the first token.

import * as tf from "@tensorflow/tfjs";
import { Dropout, type Initializer, Layer, Linear, nameModules } from "../../nn/index.js";
import type { ModelInputs, ModelOutput } from "../hostModel.js";
import { sequenceLoss } from "../sequenceLoss.js";
import type { TextHead } from "../text/checkpoint.js";
import type { TextConfig } from "../text/config.js";
import { initializerOf, type SequenceClassifierOptions, TextHost } from "../text/host.js";
import { firstToken, type TextOutput } from "../text/model.js";
import { RobertaModel } from "./model.js";

const HEAD: TextHead = { task: "SequenceClassification", prefix: "classifier." };

/** [batch, H] to [batch, labels]: a dense layer in the pooler's place, which this model does not have. */
class RobertaClassificationHead extends Layer {
  readonly dropout: Layer;
  readonly dense: Layer;
  readonly out_proj: Layer;

  constructor({ hiddenSize, labels, dropout }: TextConfig, init: Initializer) {
    super();
    this.dropout = new Dropout(dropout.classifier);
    this.dense = new Linear(hiddenSize, hiddenSize, { init });
    this.out_proj = new Linear(hiddenSize, labels.length, { init });
  }

  override forward(x: tf.Tensor): tf.Tensor {
    const h = tf.tanh(this.dense.forward(this.dropout.forward(x)));
    return this.out_proj.forward(this.dropout.forward(h));
  }
}

/**
 * Names what a text, or a pair of texts, is. Inputs as `RobertaModel` has them; for training also `labels`: [batch] int32, or
 * [batch, labels] float32 where a text has several labels, or [batch] float32 for a regression.
 */
export class RobertaForSequenceClassification extends TextHost {
  readonly roberta: RobertaModel;
  readonly classifier: Layer;

  /** A model with new weights. @param options.seed of the weights, @defaultValue 0 */
  constructor(config: TextConfig, { seed = 0 }: { seed?: number } = {}) {
    super(config);
    const init = initializerOf(config, seed);
    this.roberta = new RobertaModel(config, { seed, pooler: false });
    this.classifier = new RobertaClassificationHead(config, init);
    nameModules(this);
  }

  /** Loads a folder as `RobertaModel` does. @throws PeftError as there, and KEY_MISMATCH where a head is missing */
  static fromPretrained(
    directory: string,
    options: SequenceClassifierOptions = {},
  ): Promise<RobertaForSequenceClassification> {
    const make = (config: TextConfig, given: { seed: number }) => new RobertaForSequenceClassification(config, given);
    return TextHost.load(directory, options, { type: "roberta", head: HEAD, make });
  }

  override get encoder(): RobertaModel {
    return this.roberta;
  }

  override get head(): TextHead {
    return HEAD;
  }

  /** logits: [batch, labels] */
  protected override logitsOf(output: TextOutput): tf.Tensor {
    return this.classifier.forward(firstToken(output));
  }

  /** As the config's problem has it, see `sequenceLoss`. @throws PeftError SHAPE_MISMATCH for labels of another shape */
  override loss({ logits }: ModelOutput, { labels }: ModelInputs): tf.Tensor {
    return sequenceLoss(logits, labels!, this.config.problemType);
  }
}
