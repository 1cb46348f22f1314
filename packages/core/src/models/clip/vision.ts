// CLIP's vision encoder: a vision transformer with a norm before its blocks.

import * as tf from "@tensorflow/tfjs";
import { Parameter } from "../../engine/index.js";
import { PeftError } from "../../errors.js";
import { Conv2d, Embedding, type Initializer, type Layer, LayerNorm, Module } from "../../nn/index.js";
import { resizePositions } from "../positions.js";
import { TokenPlace } from "../tokenPlace.js";
import type { CLIPVisionConfig } from "./config.js";
import { CLIPLayer, encode } from "./layer.js";
import type { CLIPOutput } from "./text.js";

/** pixels [batch, channels, height, width] to [batch, 1 + patches, D]. */
export class CLIPVisionEmbeddings extends Module {
  /** [D] */
  readonly class_embedding: Parameter;
  readonly patch_embedding: Layer;
  readonly position_embedding: Embedding;
  readonly #config: CLIPVisionConfig;

  constructor(config: CLIPVisionConfig, init: Initializer) {
    super();
    const { hiddenSize, patchSize, numChannels } = config;
    this.#config = config;
    this.class_embedding = new Parameter([hiddenSize], (name) => init([hiddenSize], name));
    const windows = { kernel: [patchSize, patchSize], stride: patchSize } as const;
    this.patch_embedding = new Conv2d(numChannels, hiddenSize, { ...windows, bias: false, init });
    this.position_embedding = new Embedding(1 + sideOf(config) ** 2, hiddenSize, init);
  }

  override forward(pixels: tf.Tensor): tf.Tensor {
    const { hiddenSize, imageSize, numChannels, positionResize } = this.#config;
    const [batch, channels, height, width] = pixels.shape as [number, number, number, number];
    const resized = height !== imageSize || width !== imageSize;
    if (pixels.rank !== 4 || channels !== numChannels || (resized && !positionResize)) {
      const expected = `[batch, ${numChannels}, ${imageSize}, ${imageSize}]`;
      throw new PeftError("SHAPE_MISMATCH", `expected pixels of ${expected}, got [${pixels.shape}]`, {
        place: this.path,
        hint: "resize the pictures, or load the model with positionResize",
      });
    }
    const map = this.patch_embedding.forward(pixels);
    const [, , rows, columns] = map.shape as [number, number, number, number];
    const tokens = tf.transpose(tf.reshape(map, [batch, hiddenSize, rows * columns]), [0, 2, 1]);
    const cls = tf.broadcastTo(tf.reshape(this.class_embedding.value(), [1, 1, hiddenSize]), [batch, 1, hiddenSize]);
    const table = tf.expandDims(this.position_embedding.weight.value(), 0);
    const side = sideOf(this.#config);
    const places = resized ? resizePositions(table, [side, side], [rows, columns], "bicubic") : table;
    return tf.add(tf.concat([cls, tokens], 1), places);
  }
}

function sideOf({ imageSize, patchSize }: CLIPVisionConfig): number {
  return Math.floor(imageSize / patchSize);
}

/** The vision encoder without its projection. */
export class CLIPVisionTransformer extends Module {
  readonly embeddings: CLIPVisionEmbeddings;
  /** Where prompts go: behind the class token. */
  readonly prompts: TokenPlace;
  /** So spelt in every checkpoint. */
  readonly pre_layrnorm: Layer;
  readonly encoder: { readonly layers: readonly CLIPLayer[] };
  readonly post_layernorm: Layer;

  constructor(config: CLIPVisionConfig, init: Initializer) {
    super();
    const { hiddenSize, layerNormEps, numHiddenLayers } = config;
    this.embeddings = new CLIPVisionEmbeddings(config, init);
    this.prompts = new TokenPlace(hiddenSize, 1);
    this.pre_layrnorm = new LayerNorm(hiddenSize, layerNormEps);
    this.encoder = { layers: Array.from({ length: numHiddenLayers }, () => new CLIPLayer(config, init)) };
    this.post_layernorm = new LayerNorm(hiddenSize, layerNormEps);
  }

  override forward(pixels: tf.Tensor): CLIPOutput {
    const x = this.pre_layrnorm.forward(this.prompts.forward(this.embeddings.forward(pixels)));
    const hiddenStates = encode(this.encoder.layers, x, undefined);
    const lastHiddenState = hiddenStates.at(-1)!;
    const [batch, , width] = lastHiddenState.shape as [number, number, number];
    const cls = tf.reshape(tf.slice(lastHiddenState, [0, 0, 0], [batch, 1, width]), [batch, width]);
    return { lastHiddenState, hiddenStates, pooled: this.post_layernorm.forward(cls) };
  }
}
