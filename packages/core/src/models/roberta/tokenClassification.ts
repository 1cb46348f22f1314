// RoBERTa with a linear classifier over every token.

import type * as tf from "@tensorflow/tfjs";
import { Dropout, type Layer, Linear, nameModules } from "../../nn/index.js";
import type { ModelInputs } from "../hostModel.js";
import type { TextHead } from "../text/checkpoint.js";
import type { TextConfig } from "../text/config.js";
import { initializerOf, type TextClassifierOptions, TextHost } from "../text/host.js";
import { ownTokens, type TextOutput } from "../text/model.js";
import { RobertaModel } from "./model.js";

const HEAD: TextHead = { task: "TokenClassification", prefix: "classifier." };

/**
 * Names what each token is. Inputs as `RobertaModel` has them; for training also `labels`, [batch, tokens] int32, -100 where a
 * token does not count.
 */
export class RobertaForTokenClassification extends TextHost {
  readonly roberta: RobertaModel;
  readonly dropout: Layer;
  readonly classifier: Layer;

  /** A model with new weights. @param options.seed of the weights, @defaultValue 0 */
  constructor(config: TextConfig, { seed = 0 }: { seed?: number } = {}) {
    super(config);
    const init = initializerOf(config, seed);
    this.roberta = new RobertaModel(config, { seed, pooler: false });
    this.dropout = new Dropout(config.dropout.classifier);
    this.classifier = new Linear(config.hiddenSize, config.labels.length, { init });
    nameModules(this);
  }

  /** Loads a folder as `RobertaModel` does. @throws PeftError as there, and KEY_MISMATCH where a head is missing */
  static fromPretrained(
    directory: string,
    options: TextClassifierOptions = {},
  ): Promise<RobertaForTokenClassification> {
    const make = (config: TextConfig, given: { seed: number }) => new RobertaForTokenClassification(config, given);
    return TextHost.load(directory, options, { type: "roberta", head: HEAD, make });
  }

  override get encoder(): RobertaModel {
    return this.roberta;
  }

  override get head(): TextHead {
    return HEAD;
  }

  /** logits: [batch, tokens, labels] */
  protected override logitsOf(output: TextOutput, inputs: ModelInputs): tf.Tensor {
    return this.classifier.forward(this.dropout.forward(ownTokens(output, inputs)));
  }
}
