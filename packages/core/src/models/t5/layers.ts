// The layers of T5 (Raffel et al. 2020), with the module names of its checkpoints: attention and feed-forward layers
// without biases, each behind an RMS norm and inside a residual sum.

import * as tf from "@tensorflow/tfjs";
import { checkpoint } from "../../engine/index.js";
import { activation, Dropout, Embedding, Layer, Linear, Module, normal, Residual, RMSNorm } from "../../nn/index.js";
import { type AttentionKind, attend, keysAndValues, withPrefix } from "../seq2seq/index.js";
import { maskOver, type PrefixPlaces, prefixPlaces } from "../tokenPlace.js";
import { feedForward, type T5Config } from "./config.js";

/** softmax(q k^T + mask) v: the scores are not divided by the square root of the width. */
export class T5Attention extends Module {
  readonly q: Layer;
  readonly k: Layer;
  readonly v: Layer;
  readonly o: Layer;
  /** [buckets, heads]; in the first block of a stack, for all of its blocks. */
  readonly relative_attention_bias?: Embedding;
  /** Where prefixes go: in the decoder's attention to its own tokens. */
  readonly prefix?: PrefixPlaces;
  /** Of the probabilities. */
  readonly dropout: Dropout;
  readonly #heads: number;
  readonly #kind: AttentionKind;

  constructor(config: T5Config, options: { kind: AttentionKind; relative: boolean; seed: number }) {
    super();
    const { dModel, dKv, numHeads, initializerFactor: factor } = config;
    const inner = numHeads * dKv;
    const linear = (from: number, to: number, std: number): Linear =>
      new Linear(from, to, { bias: false, init: normal(factor * std, options.seed) });
    this.q = linear(dModel, inner, (dModel * dKv) ** -0.5);
    this.k = linear(dModel, inner, dModel ** -0.5);
    this.v = linear(dModel, inner, dModel ** -0.5);
    this.o = linear(inner, dModel, inner ** -0.5);
    if (options.relative) {
      const init = normal(factor * dModel ** -0.5, options.seed);
      this.relative_attention_bias = new Embedding(config.relativeAttentionNumBuckets, numHeads, init);
    }
    if (options.kind === "decoder") this.prefix = prefixPlaces(inner);
    this.dropout = new Dropout(config.dropoutRate);
    this.#heads = numHeads;
    this.#kind = options.kind;
  }

  /**
   * @param x [batch, tokens, dModel]
   * @param source what is attended to, [batch, keys, dModel]; not needed where a filled cache has its keys
   * @param mask added to the scores
   */
  override forward(x: tf.Tensor, source: tf.Tensor | undefined, mask: tf.Tensor | undefined): tf.Tensor {
    const kv = keysAndValues(this.#kind, this.path, () => ({
      keys: this.k.forward(source!),
      values: this.v.forward(source!),
    }));
    const all = withPrefix(kv, this.prefix);
    const over = mask && maskOver(mask, all.keys.shape[1]!);
    const options = { heads: this.#heads, scale: 1, mask: over, dropout: this.dropout };
    return this.o.forward(attend(this.q.forward(x), all, options));
  }
}

/** x + dropout(SelfAttention(norm(x))) */
export class T5SelfAttentionLayer extends Module {
  readonly SelfAttention: T5Attention;
  readonly layer_norm: Layer;
  readonly dropout: Layer;
  readonly attention_residual: Residual;

  constructor(config: T5Config, options: { kind: "encoder" | "decoder"; relative: boolean; seed: number }) {
    super();
    this.SelfAttention = new T5Attention(config, options);
    this.layer_norm = new RMSNorm(config.dModel, config.layerNormEpsilon);
    this.dropout = new Dropout(config.dropoutRate);
    this.attention_residual = new Residual(config.dModel);
  }

  override forward(x: tf.Tensor, mask: tf.Tensor | undefined): tf.Tensor {
    const normed = this.layer_norm.forward(x);
    return this.attention_residual.forward(x, this.dropout.forward(this.SelfAttention.forward(normed, normed, mask)));
  }
}

/** x + dropout(EncDecAttention(norm(x), encoded)) */
export class T5CrossAttentionLayer extends Module {
  readonly EncDecAttention: T5Attention;
  readonly layer_norm: Layer;
  readonly dropout: Layer;
  readonly cross_attention_residual: Residual;

  constructor(config: T5Config, seed: number) {
    super();
    this.EncDecAttention = new T5Attention(config, { kind: "cross", relative: false, seed });
    this.layer_norm = new RMSNorm(config.dModel, config.layerNormEpsilon);
    this.dropout = new Dropout(config.dropoutRate);
    this.cross_attention_residual = new Residual(config.dModel);
  }

  override forward(x: tf.Tensor, encoded: tf.Tensor | undefined, mask: tf.Tensor | undefined): tf.Tensor {
    const attended = this.EncDecAttention.forward(this.layer_norm.forward(x), encoded, mask);
    return this.cross_attention_residual.forward(x, this.dropout.forward(attended));
  }
}

/** wo(dropout(act(wi x))) */
export class T5DenseActDense extends Layer {
  readonly wi: Layer;
  readonly wo: Layer;
  readonly dropout: Layer;
  readonly #activation: (x: tf.Tensor) => tf.Tensor;

  constructor(config: T5Config, seed: number) {
    super();
    this.wi = inner(config, seed);
    this.wo = outer(config, seed);
    this.dropout = new Dropout(config.dropoutRate);
    this.#activation = activation(feedForward(config).act);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return this.wo.forward(this.dropout.forward(this.#activation(this.wi.forward(x))));
  }
}

/** wo(dropout(act(wi_0 x) * wi_1 x)), of T5 1.1 (Shazeer 2020) */
export class T5DenseGatedActDense extends Layer {
  readonly wi_0: Layer;
  readonly wi_1: Layer;
  readonly wo: Layer;
  readonly dropout: Layer;
  readonly #activation: (x: tf.Tensor) => tf.Tensor;

  constructor(config: T5Config, seed: number) {
    super();
    this.wi_0 = inner(config, seed);
    this.wi_1 = inner(config, seed);
    this.wo = outer(config, seed);
    this.dropout = new Dropout(config.dropoutRate);
    this.#activation = activation(feedForward(config).act);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    const gated = tf.mul(this.#activation(this.wi_0.forward(x)), this.wi_1.forward(x));
    return this.wo.forward(this.dropout.forward(gated));
  }
}

function inner({ dModel, dFf, initializerFactor }: T5Config, seed: number): Linear {
  return new Linear(dModel, dFf, { bias: false, init: normal(initializerFactor * dModel ** -0.5, seed) });
}

function outer({ dModel, dFf, initializerFactor }: T5Config, seed: number): Linear {
  return new Linear(dFf, dModel, { bias: false, init: normal(initializerFactor * dFf ** -0.5, seed) });
}

/** x + dropout(DenseReluDense(norm(x))) */
export class T5FeedForwardLayer extends Layer {
  readonly DenseReluDense: Layer;
  readonly layer_norm: Layer;
  readonly dropout: Layer;
  readonly ffn_residual: Residual;

  constructor(config: T5Config, seed: number) {
    super();
    const { gated } = feedForward(config);
    this.DenseReluDense = gated ? new T5DenseGatedActDense(config, seed) : new T5DenseActDense(config, seed);
    this.layer_norm = new RMSNorm(config.dModel, config.layerNormEpsilon);
    this.dropout = new Dropout(config.dropoutRate);
    this.ffn_residual = new Residual(config.dModel);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return checkpoint(() => {
      const branch = this.dropout.forward(this.DenseReluDense.forward(this.layer_norm.forward(x)));
      return this.ffn_residual.forward(x, branch);
    });
  }
}
