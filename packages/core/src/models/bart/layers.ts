// The layers of BART (Lewis et al. 2020), with the module names of its checkpoints: attention and feed-forward layers, each
// inside a residual sum that a layer norm follows.

import type * as tf from "@tensorflow/tfjs";
import { checkpoint } from "../../engine/index.js";
import {
  activation,
  Dropout,
  type Initializer,
  type Layer,
  LayerNorm,
  Linear,
  Module,
  Residual,
} from "../../nn/index.js";
import { type AttentionKind, attend, keysAndValues, withPrefix } from "../seq2seq/index.js";
import { maskOver, type PrefixPlaces, prefixPlaces } from "../tokenPlace.js";
import type { BartConfig, BartStackConfig } from "./config.js";

/** PyTorch's default, which BART's layer norms have. */
export const LAYER_NORM_EPS = 1e-5;

/** softmax(q k^T / sqrt(width) + mask) v */
export class BartAttention extends Module {
  readonly q_proj: Layer;
  readonly k_proj: Layer;
  readonly v_proj: Layer;
  readonly out_proj: Layer;
  /** Where prefixes go: in the decoder's attention to its own tokens. */
  readonly prefix?: PrefixPlaces;
  /** Of the probabilities. */
  readonly dropout: Dropout;
  readonly #heads: number;
  readonly #scale: number;
  readonly #kind: AttentionKind;

  constructor({ dModel, dropout }: BartConfig, heads: number, kind: AttentionKind, init: Initializer) {
    super();
    this.q_proj = new Linear(dModel, dModel, { init });
    this.k_proj = new Linear(dModel, dModel, { init });
    this.v_proj = new Linear(dModel, dModel, { init });
    this.out_proj = new Linear(dModel, dModel, { init });
    if (kind === "decoder") this.prefix = prefixPlaces(dModel);
    this.dropout = new Dropout(dropout.attention);
    this.#heads = heads;
    this.#scale = (dModel / heads) ** -0.5;
    this.#kind = kind;
  }

  /**
   * @param x [batch, tokens, dModel]
   * @param source what is attended to, [batch, keys, dModel]; not needed where a filled cache has its keys
   * @param mask added to the scores
   */
  override forward(x: tf.Tensor, source: tf.Tensor | undefined, mask: tf.Tensor | undefined): tf.Tensor {
    const kv = keysAndValues(this.#kind, this.path, () => ({
      keys: this.k_proj.forward(source!),
      values: this.v_proj.forward(source!),
    }));
    const all = withPrefix(kv, this.prefix);
    const over = mask && maskOver(mask, all.keys.shape[1]!);
    const options = { heads: this.#heads, scale: this.#scale, mask: over, dropout: this.dropout };
    return this.out_proj.forward(attend(this.q_proj.forward(x), all, options));
  }
}

/** What a layer of either stack begins and ends with. */
abstract class BartLayer extends Module {
  readonly self_attn: BartAttention;
  readonly attention_residual: Residual;
  readonly self_attn_layer_norm: Layer;
  readonly fc1: Layer;
  readonly fc2: Layer;
  readonly ffn_residual: Residual;
  /** After the feed-forward layers. */
  readonly final_layer_norm: Layer;
  readonly dropout: Layer;
  readonly activation_dropout: Layer;
  readonly #activation: (x: tf.Tensor) => tf.Tensor;

  constructor(config: BartConfig, stack: BartStackConfig, kind: "encoder" | "decoder", init: Initializer) {
    super();
    const { dModel, dropout } = config;
    this.self_attn = new BartAttention(config, stack.attentionHeads, kind, init);
    this.attention_residual = new Residual(dModel);
    this.self_attn_layer_norm = new LayerNorm(dModel, LAYER_NORM_EPS);
    this.fc1 = new Linear(dModel, stack.ffnDim, { init });
    this.fc2 = new Linear(stack.ffnDim, dModel, { init });
    this.ffn_residual = new Residual(dModel);
    this.final_layer_norm = new LayerNorm(dModel, LAYER_NORM_EPS);
    this.dropout = new Dropout(dropout.hidden);
    this.activation_dropout = new Dropout(dropout.activation);
    this.#activation = activation(config.activationFunction);
  }

  /** norm(x + dropout(self_attn(x))) */
  protected attend(x: tf.Tensor, mask: tf.Tensor | undefined): tf.Tensor {
    const branch = this.dropout.forward(this.self_attn.forward(x, x, mask));
    return this.self_attn_layer_norm.forward(this.attention_residual.forward(x, branch));
  }

  /** norm(x + dropout(fc2(dropout(act(fc1(x)))))) */
  protected feedForward(x: tf.Tensor): tf.Tensor {
    return checkpoint(() => {
      const inner = this.activation_dropout.forward(this.#activation(this.fc1.forward(x)));
      const branch = this.dropout.forward(this.fc2.forward(inner));
      return this.final_layer_norm.forward(this.ffn_residual.forward(x, branch));
    });
  }
}

export class BartEncoderLayer extends BartLayer {
  constructor(config: BartConfig, init: Initializer) {
    super(config, config.encoder, "encoder", init);
  }

  override forward(x: tf.Tensor, mask: tf.Tensor | undefined): tf.Tensor {
    return this.feedForward(this.attend(x, mask));
  }
}

export class BartDecoderLayer extends BartLayer {
  readonly encoder_attn: BartAttention;
  readonly cross_attention_residual: Residual;
  readonly encoder_attn_layer_norm: Layer;

  constructor(config: BartConfig, init: Initializer) {
    super(config, config.decoder, "decoder", init);
    this.encoder_attn = new BartAttention(config, config.decoder.attentionHeads, "cross", init);
    this.cross_attention_residual = new Residual(config.dModel);
    this.encoder_attn_layer_norm = new LayerNorm(config.dModel, LAYER_NORM_EPS);
  }

  override forward(x: tf.Tensor, mask: tf.Tensor, encoded: tf.Tensor | undefined, padding?: tf.Tensor): tf.Tensor {
    const h = this.attend(x, mask);
    const branch = this.dropout.forward(this.encoder_attn.forward(h, encoded, padding));
    return this.feedForward(this.encoder_attn_layer_norm.forward(this.cross_attention_residual.forward(h, branch)));
  }
}
