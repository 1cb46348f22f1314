// A block of BERT and RoBERTa, with the module names of Hugging Face's checkpoint files: the norm comes after each sum.

import type * as tf from "@tensorflow/tfjs";
import { checkpoint } from "../../engine/index.js";
import { activation, Dropout, type Initializer, Layer, LayerNorm, Linear, Module, Residual } from "../../nn/index.js";
import { attentionWithDropout } from "../attentionDropout.js";
import { maskOver, type PrefixPlaces, prefixPlaces } from "../tokenPlace.js";
import type { TextConfig } from "./config.js";

/** softmax(q k^T / sqrt(d) + mask) v over the tokens that are no padding. */
export class TextSelfAttention extends Module {
  readonly query: Layer;
  readonly key: Layer;
  readonly value: Layer;
  /** Where prefixes go. */
  readonly prefix: PrefixPlaces;
  /** Of the probabilities, in training. */
  readonly dropout: Dropout;
  readonly #heads: number;

  constructor({ hiddenSize, numAttentionHeads, dropout }: TextConfig, init: Initializer) {
    super();
    this.#heads = numAttentionHeads;
    this.query = new Linear(hiddenSize, hiddenSize, { init });
    this.key = new Linear(hiddenSize, hiddenSize, { init });
    this.value = new Linear(hiddenSize, hiddenSize, { init });
    this.prefix = prefixPlaces(hiddenSize);
    this.dropout = new Dropout(dropout.attention);
  }

  override forward(x: tf.Tensor, mask: tf.Tensor | undefined): tf.Tensor {
    const queries = this.query.forward(x);
    const keys = this.prefix.keys.forward(this.key.forward(x));
    const values = this.prefix.values.forward(this.value.forward(x));
    const options = { heads: this.#heads, mask: mask && maskOver(mask, keys.shape[1]!), dropout: this.dropout };
    return attentionWithDropout(queries, keys, values, options);
  }
}

/** The first feed-forward layer with its activation, which some methods read: [..., H] to [..., intermediate]. */
export class TextIntermediate extends Layer {
  readonly dense: Layer;
  readonly #activation: (x: tf.Tensor) => tf.Tensor;

  constructor({ hiddenSize, intermediateSize, hiddenAct }: TextConfig, init: Initializer) {
    super();
    this.dense = new Linear(hiddenSize, intermediateSize, { init });
    this.#activation = activation(hiddenAct);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return this.#activation(this.dense.forward(x));
  }
}

interface Output {
  readonly dense: Layer;
  readonly dropout: Layer;
  readonly LayerNorm: Layer;
}

/** A post-norm block: h = norm(x + attention(x)); y = norm(h + ffn(h)). */
export class TextLayer extends Module {
  readonly attention: { readonly self: TextSelfAttention; readonly output: Output };
  /** The sum after attention, before its norm: where adapters of the attention block are attached. */
  readonly attention_residual: Residual;
  readonly intermediate: Layer;
  readonly output: Output;
  /** The sum after the feed-forward layers, before its norm. */
  readonly ffn_residual: Residual;

  constructor(config: TextConfig, init: Initializer) {
    super();
    const { hiddenSize, intermediateSize, layerNormEps, dropout } = config;
    const output = (width: number): Output => ({
      dense: new Linear(width, hiddenSize, { init }),
      dropout: new Dropout(dropout.hidden),
      LayerNorm: new LayerNorm(hiddenSize, layerNormEps),
    });
    this.attention = { self: new TextSelfAttention(config, init), output: output(hiddenSize) };
    this.attention_residual = new Residual(hiddenSize);
    this.intermediate = new TextIntermediate(config, init);
    this.output = output(intermediateSize);
    this.ffn_residual = new Residual(hiddenSize);
  }

  /** @param mask as from `paddingMask`; undefined where every token is real */
  override forward(x: tf.Tensor, mask: tf.Tensor | undefined): tf.Tensor {
    const { self, output } = this.attention;
    const a = output.dropout.forward(output.dense.forward(self.forward(x, mask)));
    const h = output.LayerNorm.forward(this.attention_residual.forward(x, a));
    // Attention computes its probabilities again in any case, and its projections cost as much as they would spare.
    return checkpoint(() => {
      const f = this.output.dropout.forward(this.output.dense.forward(this.intermediate.forward(h)));
      return this.output.LayerNorm.forward(this.ffn_residual.forward(h, f));
    });
  }
}
