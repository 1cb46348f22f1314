// CLIP's text encoder: a causal transformer, whose vector at the end of the text stands for all of it.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../../errors.js";
import { Embedding, type Initializer, type Layer, LayerNorm, Module } from "../../nn/index.js";
import { causalMask, paddingMask } from "../../ops/index.js";
import type { ModelInputs } from "../hostModel.js";
import type { CLIPTextConfig } from "./config.js";
import { CLIPLayer, encode } from "./layer.js";

/** What an encoder computes. */
export interface CLIPOutput {
  /** [batch, tokens, D]: of texts after the final norm, of pictures before it. */
  readonly lastHiddenState: tf.Tensor;
  /** What goes into the first block and comes out of each, before the final norm: [batch, tokens, D]. */
  readonly hiddenStates: readonly tf.Tensor[];
  /** After the final norm, of the end of the text or the class token: [batch, D]. */
  readonly pooled: tf.Tensor;
}

/** The text encoder without its projection. */
export class CLIPTextTransformer extends Module {
  readonly embeddings: { readonly token_embedding: Layer; readonly position_embedding: Embedding };
  readonly encoder: { readonly layers: readonly CLIPLayer[] };
  readonly final_layer_norm: Layer;
  readonly #config: CLIPTextConfig;

  constructor(config: CLIPTextConfig, init: Initializer) {
    super();
    const { hiddenSize, vocabSize, maxPositionEmbeddings, numHiddenLayers } = config;
    this.#config = config;
    this.embeddings = {
      token_embedding: new Embedding(vocabSize, hiddenSize, init),
      position_embedding: new Embedding(maxPositionEmbeddings, hiddenSize, init),
    };
    this.encoder = { layers: Array.from({ length: numHiddenLayers }, () => new CLIPLayer(config, init)) };
    this.final_layer_norm = new LayerNorm(hiddenSize, config.layerNormEps);
  }

  override forward({ inputIds, attentionMask }: ModelInputs): CLIPOutput {
    const { maxPositionEmbeddings } = this.#config;
    if (inputIds?.rank !== 2 || inputIds.shape[1]! > maxPositionEmbeddings) {
      const expected = `[batch, tokens] of at most ${maxPositionEmbeddings} tokens`;
      throw new PeftError("SHAPE_MISMATCH", `inputIds must be ${expected}, got [${inputIds?.shape ?? "nothing"}]`, {
        place: this.path,
        hint: "loadTokenizer(folder) makes inputIds of texts, and cuts them",
      });
    }
    const tokens = inputIds.shape[1]!;
    const { token_embedding, position_embedding } = this.embeddings;
    const places = tf.slice(position_embedding.weight.value(), [0, 0], [tokens, this.#config.hiddenSize]);
    const x = tf.add(token_embedding.forward(inputIds), places);
    const causal = causalMask(tokens);
    // The smaller of the two: their sum would not be finite.
    const mask = attentionMask ? tf.minimum(causal, paddingMask(attentionMask)) : causal;
    const hiddenStates = encode(this.encoder.layers, x, mask);
    const lastHiddenState = this.final_layer_norm.forward(hiddenStates.at(-1)!);
    return { lastHiddenState, hiddenStates, pooled: this.#atEnd(lastHiddenState, inputIds) };
  }

  /** The vectors of the tokens that end the texts. */
  #atEnd(x: tf.Tensor, inputIds: tf.Tensor): tf.Tensor {
    const [batch, tokens, width] = x.shape as [number, number, number];
    const ids = tf.cast(inputIds, "int32");
    // Configs from before the id was corrected say 2; the end was the largest id of the vocabulary.
    const isEnd = this.#config.eosTokenId === 2 ? ids : tf.cast(tf.equal(ids, this.#config.eosTokenId), "int32");
    const rows = tf.add(tf.argMax(isEnd, 1), tf.mul(tf.range(0, batch, 1, "int32"), tf.scalar(tokens, "int32")));
    return tf.gather(tf.reshape(x, [batch * tokens, width]), rows);
  }
}
