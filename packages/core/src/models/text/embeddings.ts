// The sum of a token's vectors: of the word, of its place, of the segment it is in.

import * as tf from "@tensorflow/tfjs";
import { Dropout, Embedding, type Initializer, type Layer, LayerNorm, Module } from "../../nn/index.js";
import type { ModelInputs } from "../hostModel.js";
import type { TextConfig } from "./config.js";
import { checkShapes, placesBesidePadding, placesInOrder } from "./inputs.js";

/**
 * inputIds [batch, tokens] to [batch, tokens, H]. PyTorch never trains the vector of padding; here it stays without a
 * gradient because nothing reads it, as long as the mask hides padding and no loss counts it.
 */
export class TextEmbeddings extends Module {
  readonly word_embeddings: Layer;
  readonly position_embeddings: Layer;
  readonly token_type_embeddings: Layer;
  readonly LayerNorm: Layer;
  readonly dropout: Layer;
  readonly #config: TextConfig;

  constructor(config: TextConfig, init: Initializer) {
    super();
    const { vocabSize, maxPositionEmbeddings, typeVocabSize, hiddenSize, layerNormEps } = config;
    this.#config = config;
    this.word_embeddings = new Embedding(vocabSize, hiddenSize, init);
    this.position_embeddings = new Embedding(maxPositionEmbeddings, hiddenSize, init);
    this.token_type_embeddings = new Embedding(typeVocabSize, hiddenSize, init);
    this.LayerNorm = new LayerNorm(hiddenSize, layerNormEps);
    this.dropout = new Dropout(config.dropout.hidden);
  }

  override forward(inputs: ModelInputs): tf.Tensor {
    checkShapes(inputs, this.#config, this.path);
    const { inputIds, tokenTypeIds, positionIds } = inputs as { inputIds: tf.Tensor } & ModelInputs;
    const { modelType, padTokenId } = this.#config;
    const places =
      positionIds ?? (modelType === "roberta" ? placesBesidePadding(inputIds, padTokenId) : placesInOrder(inputIds));
    const types = tokenTypeIds ?? tf.zeros([1, 1], "int32");
    const sum = tf.add(
      tf.add(this.word_embeddings.forward(inputIds), this.token_type_embeddings.forward(types)),
      this.position_embeddings.forward(places),
    );
    return this.dropout.forward(this.LayerNorm.forward(sum));
  }
}
