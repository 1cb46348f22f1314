// BERT with the head that fills in words: a dense layer, a norm, and the table of words once more.

import type * as tf from "@tensorflow/tfjs";
import { Parameter } from "../../engine/index.js";
import { activation, type Embedding, type Initializer, Layer, LayerNorm, Linear, nameModules } from "../../nn/index.js";
import { linear } from "../../ops/index.js";
import type { ModelInputs, TiedWeight } from "../hostModel.js";
import type { TextHead } from "../text/checkpoint.js";
import type { TextConfig } from "../text/config.js";
import { initializerOf, TextHost, type TextLoadingOptions } from "../text/host.js";
import { ownTokens, type TextOutput } from "../text/model.js";
import { BertModel } from "./model.js";

const HEAD: TextHead = { task: "MaskedLM", prefix: "cls.predictions." };

/** [..., H] to [..., vocabulary]. */
class BertMaskedLMHead extends Layer {
  readonly transform: { readonly dense: Layer; readonly LayerNorm: Layer };
  /** [vocabulary] */
  readonly bias: Parameter;
  readonly #words: Embedding;
  readonly #activation: (x: tf.Tensor) => tf.Tensor;

  constructor({ hiddenSize, vocabSize, hiddenAct, layerNormEps }: TextConfig, words: Embedding, init: Initializer) {
    super();
    this.transform = {
      dense: new Linear(hiddenSize, hiddenSize, { init }),
      LayerNorm: new LayerNorm(hiddenSize, layerNormEps),
    };
    this.bias = Parameter.zeros([vocabSize]);
    this.#words = words;
    this.#activation = activation(hiddenAct);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    const h = this.transform.LayerNorm.forward(this.#activation(this.transform.dense.forward(x)));
    return linear(h, this.#words.weight.value(), this.bias.value());
  }
}

/**
 * Fills in words. Inputs as `BertModel` has them; for training also `labels`, [batch, tokens] int32, -100 where a token does
 * not count.
 */
export class BertForMaskedLM extends TextHost {
  readonly bert: BertModel;
  readonly cls: { readonly predictions: Layer };

  /** A model with new weights. @param options.seed of the weights, @defaultValue 0 */
  constructor(config: TextConfig, { seed = 0 }: { seed?: number } = {}) {
    super(config);
    const init = initializerOf(config, seed);
    this.bert = new BertModel(config, { seed, pooler: false });
    const words = this.bert.embeddings.word_embeddings as Embedding;
    this.cls = { predictions: new BertMaskedLMHead(config, words, init) };
    nameModules(this);
  }

  /** Loads a folder as `BertModel` does. @throws PeftError as there, and KEY_MISMATCH where the file has no such head */
  static fromPretrained(directory: string, options: TextLoadingOptions = {}): Promise<BertForMaskedLM> {
    const make = (config: TextConfig, given: { seed: number }) => new BertForMaskedLM(config, given);
    return TextHost.load(directory, options, { type: "bert", head: HEAD, make });
  }

  override get encoder(): BertModel {
    return this.bert;
  }

  override get head(): TextHead {
    return HEAD;
  }

  override get tiedWeights(): readonly TiedWeight[] {
    return [
      {
        parameter: "bert.embeddings.word_embeddings.weight",
        copies: ["cls.predictions.decoder.weight"],
        isCalled: true,
      },
      { parameter: "cls.predictions.bias", copies: ["cls.predictions.decoder.bias"], isCalled: true },
    ];
  }

  override get vocabularyTables(): readonly string[] {
    return [...super.vocabularyTables, "cls.predictions.bias"];
  }

  /** logits: [batch, tokens, vocabulary] */
  protected override logitsOf(output: TextOutput, inputs: ModelInputs): tf.Tensor {
    return this.cls.predictions.forward(ownTokens(output, inputs));
  }
}
