// RoBERTa with the head that fills in words: a dense layer, a norm, and the table of words once more.

import type * as tf from "@tensorflow/tfjs";
import { Parameter } from "../../engine/index.js";
import { type Embedding, type Initializer, Layer, LayerNorm, Linear, nameModules } from "../../nn/index.js";
import { gelu, linear } from "../../ops/index.js";
import type { ModelInputs, TiedWeight } from "../hostModel.js";
import type { TextHead } from "../text/checkpoint.js";
import type { TextConfig } from "../text/config.js";
import { initializerOf, TextHost, type TextLoadingOptions } from "../text/host.js";
import { ownTokens, type TextOutput } from "../text/model.js";
import { RobertaModel } from "./model.js";

const HEAD: TextHead = { task: "MaskedLM", prefix: "lm_head." };

/** [..., H] to [..., vocabulary]. Its activation is the exact GELU, whatever the encoder's is. */
class RobertaMaskedLMHead extends Layer {
  readonly dense: Layer;
  readonly layer_norm: Layer;
  /** [vocabulary] */
  readonly bias: Parameter;
  readonly #words: Embedding;

  constructor({ hiddenSize, vocabSize, layerNormEps }: TextConfig, words: Embedding, init: Initializer) {
    super();
    this.dense = new Linear(hiddenSize, hiddenSize, { init });
    this.layer_norm = new LayerNorm(hiddenSize, layerNormEps);
    this.bias = Parameter.zeros([vocabSize]);
    this.#words = words;
  }

  override forward(x: tf.Tensor): tf.Tensor {
    const h = this.layer_norm.forward(gelu(this.dense.forward(x)));
    return linear(h, this.#words.weight.value(), this.bias.value());
  }
}

/**
 * Fills in words. Inputs as `RobertaModel` has them; for training also `labels`, [batch, tokens] int32, -100 where a token does
 * not count.
 */
export class RobertaForMaskedLM extends TextHost {
  readonly roberta: RobertaModel;
  readonly lm_head: Layer;

  /** A model with new weights. @param options.seed of the weights, @defaultValue 0 */
  constructor(config: TextConfig, { seed = 0 }: { seed?: number } = {}) {
    super(config);
    const init = initializerOf(config, seed);
    this.roberta = new RobertaModel(config, { seed, pooler: false });
    const words = this.roberta.embeddings.word_embeddings as Embedding;
    this.lm_head = new RobertaMaskedLMHead(config, words, init);
    nameModules(this);
  }

  /** Loads a folder as `RobertaModel` does. @throws PeftError as there, and KEY_MISMATCH where the file has no such head */
  static fromPretrained(directory: string, options: TextLoadingOptions = {}): Promise<RobertaForMaskedLM> {
    const make = (config: TextConfig, given: { seed: number }) => new RobertaForMaskedLM(config, given);
    return TextHost.load(directory, options, { type: "roberta", head: HEAD, make });
  }

  override get encoder(): RobertaModel {
    return this.roberta;
  }

  override get head(): TextHead {
    return HEAD;
  }

  override get tiedWeights(): readonly TiedWeight[] {
    return [
      { parameter: "roberta.embeddings.word_embeddings.weight", copies: ["lm_head.decoder.weight"], isCalled: true },
      { parameter: "lm_head.bias", copies: ["lm_head.decoder.bias"], isCalled: true },
    ];
  }

  override get vocabularyTables(): readonly string[] {
    return [...super.vocabularyTables, "lm_head.bias"];
  }

  /** logits: [batch, tokens, vocabulary] */
  protected override logitsOf(output: TextOutput, inputs: ModelInputs): tf.Tensor {
    return this.lm_head.forward(ownTokens(output, inputs));
  }
}
