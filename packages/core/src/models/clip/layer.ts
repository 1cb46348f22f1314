// A block of CLIP's encoders (Radford et al. 2021), with the module names of Hugging Face's checkpoint files.

import type * as tf from "@tensorflow/tfjs";
import { checkpoint } from "../../engine/index.js";
import { activation, Dropout, type Initializer, Layer, LayerNorm, Linear, Module, Residual } from "../../nn/index.js";
import { attentionWithDropout } from "../attentionDropout.js";
import { maskOver, type PrefixPlaces, prefixPlaces } from "../tokenPlace.js";
import type { CLIPEncoderConfig } from "./config.js";

/** Attention with its projections: [batch, tokens, D] to the same. */
export class CLIPAttention extends Module {
  readonly q_proj: Layer;
  readonly k_proj: Layer;
  readonly v_proj: Layer;
  readonly out_proj: Layer;
  /** Where prefixes go. */
  readonly prefix: PrefixPlaces;
  /** Of the probabilities, in training. */
  readonly dropout: Dropout;
  readonly #heads: number;

  constructor({ hiddenSize, numAttentionHeads, attentionDropout }: CLIPEncoderConfig, init: Initializer) {
    super();
    this.#heads = numAttentionHeads;
    this.q_proj = new Linear(hiddenSize, hiddenSize, { init });
    this.k_proj = new Linear(hiddenSize, hiddenSize, { init });
    this.v_proj = new Linear(hiddenSize, hiddenSize, { init });
    this.out_proj = new Linear(hiddenSize, hiddenSize, { init });
    this.prefix = prefixPlaces(hiddenSize);
    this.dropout = new Dropout(attentionDropout);
  }

  override forward(x: tf.Tensor, mask: tf.Tensor | undefined): tf.Tensor {
    const queries = this.q_proj.forward(x);
    const keys = this.prefix.keys.forward(this.k_proj.forward(x));
    const values = this.prefix.values.forward(this.v_proj.forward(x));
    const options = { heads: this.#heads, mask: mask && maskOver(mask, keys.shape[1]!), dropout: this.dropout };
    return this.out_proj.forward(attentionWithDropout(queries, keys, values, options));
  }
}

/** The feed-forward layers: [batch, tokens, D] to the same. */
export class CLIPMlp extends Layer {
  readonly fc1: Layer;
  readonly fc2: Layer;
  readonly #activation: (x: tf.Tensor) => tf.Tensor;

  constructor({ hiddenSize, intermediateSize, hiddenAct }: CLIPEncoderConfig, init: Initializer) {
    super();
    this.fc1 = new Linear(hiddenSize, intermediateSize, { init });
    this.fc2 = new Linear(intermediateSize, hiddenSize, { init });
    this.#activation = activation(hiddenAct);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return this.fc2.forward(this.#activation(this.fc1.forward(x)));
  }
}

/** A pre-norm block: h = x + attention(norm(x)); y = h + mlp(norm(h)). */
export class CLIPLayer extends Module {
  readonly layer_norm1: Layer;
  readonly self_attn: CLIPAttention;
  /** The sum after attention: where adapters of the attention block are attached. */
  readonly attention_residual: Residual;
  readonly layer_norm2: Layer;
  readonly mlp: Layer;
  /** The sum after the feed-forward layers: where adapters beside or behind them are attached. */
  readonly ffn_residual: Residual;

  constructor(config: CLIPEncoderConfig, init: Initializer) {
    super();
    const { hiddenSize, layerNormEps } = config;
    this.layer_norm1 = new LayerNorm(hiddenSize, layerNormEps);
    this.self_attn = new CLIPAttention(config, init);
    this.attention_residual = new Residual(hiddenSize);
    this.layer_norm2 = new LayerNorm(hiddenSize, layerNormEps);
    this.mlp = new CLIPMlp(config, init);
    this.ffn_residual = new Residual(hiddenSize);
  }

  override forward(x: tf.Tensor, mask: tf.Tensor | undefined): tf.Tensor {
    const h = this.attention_residual.forward(x, this.self_attn.forward(this.layer_norm1.forward(x), mask));
    return checkpoint(() => this.ffn_residual.forward(h, this.mlp.forward(this.layer_norm2.forward(h))));
  }
}

/** What goes into the first block and comes out of each. */
export function encode(
  layers: readonly CLIPLayer[],
  x: tf.Tensor,
  mask: tf.Tensor | undefined,
): [tf.Tensor, ...tf.Tensor[]] {
  const hiddenStates: [tf.Tensor, ...tf.Tensor[]] = [x];
  for (const layer of layers) hiddenStates.push(layer.forward(hiddenStates.at(-1)!, mask));
  return hiddenStates;
}
