// The sum of a token's vectors: of the word, of its place, of the segment it is in.

import * as tf from "@tensorflow/tfjs";
import { Dropout, Embedding, type Initializer, type Layer, LayerNorm, Module } from "../../nn/index.js";
import type { ModelInputs } from "../hostModel.js";
import { TokenPlace } from "../tokenPlace.js";
import type { TextConfig } from "./config.js";
import { checkShapes, placesOf, typesOf } from "./inputs.js";

/**
 * inputIds [batch, tokens] to [batch, tokens, H]. Looking up the vector of padding does not train it, nor that of RoBERTa's place of
 * padding.
 *
 * Prompts come in before the words, and are of the first segment; the places of all are then counted from the first prompt,
 * padding too, whatever `positionIds` says.
 */
export class TextEmbeddings extends Module {
  readonly word_embeddings: Layer;
  readonly prompts: TokenPlace;
  readonly position_embeddings: Layer;
  readonly token_type_embeddings: Layer;
  readonly LayerNorm: Layer;
  readonly dropout: Layer;
  readonly #config: TextConfig;

  constructor(config: TextConfig, init: Initializer) {
    super();
    const { modelType, vocabSize, maxPositionEmbeddings, typeVocabSize, hiddenSize, layerNormEps, padTokenId } = config;
    const places = modelType === "roberta" ? { padding: padTokenId } : {};
    this.#config = config;
    this.word_embeddings = new Embedding(vocabSize, hiddenSize, init, { padding: padTokenId });
    this.prompts = new TokenPlace(hiddenSize);
    this.position_embeddings = new Embedding(maxPositionEmbeddings, hiddenSize, init, places);
    this.token_type_embeddings = new Embedding(typeVocabSize, hiddenSize, init);
    this.LayerNorm = new LayerNorm(hiddenSize, layerNormEps);
    this.dropout = new Dropout(config.dropout.hidden);
  }

  /** @param past how many places are taken before the first, by prefixes */
  override forward(inputs: ModelInputs, past = 0): tf.Tensor {
    const prompts = this.prompts.count;
    checkShapes(inputs, this.#config, this.path, prompts + past);
    const words = this.prompts.forward(this.word_embeddings.forward(inputs.inputIds!));
    const sum = tf.add(
      tf.add(words, this.token_type_embeddings.forward(typesOf(inputs, prompts))),
      this.position_embeddings.forward(placesOf(inputs, this.#config, { prompts, past })),
    );
    return this.dropout.forward(this.LayerNorm.forward(sum));
  }
}
