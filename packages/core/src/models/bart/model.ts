// The bare BART: tokens' vectors that both sides share, learned positions, an encoder and a decoder.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../../errors.js";
import { Dropout, Embedding, type Initializer, type Layer, LayerNorm, Module, normal } from "../../nn/index.js";
import { paddingMask } from "../../ops/index.js";
import type { ModelInputs } from "../hostModel.js";
import { attentionCache, decoderMask } from "../seq2seq/index.js";
import { TokenPlace } from "../tokenPlace.js";
import type { BartConfig } from "./config.js";
import { BartDecoderLayer, BartEncoderLayer, LAYER_NORM_EPS } from "./layers.js";

/** Rows of the position tables before the first position's, which nobody reads: the token at place t has row t + 2. */
const POSITION_OFFSET = 2;

/** What encoder and decoder begin with. */
abstract class BartStack extends Module {
  /** Where prompts go: before the tokens, with positions of their own. */
  readonly prompts?: TokenPlace;
  readonly embed_positions: Embedding;
  readonly layernorm_embedding: Layer;
  readonly dropout: Layer;
  readonly #scale: number;
  readonly #maxPositions: number;

  constructor({ dModel, maxPositionEmbeddings, dropout, scaleEmbedding }: BartConfig, init: Initializer) {
    super();
    this.embed_positions = new Embedding(maxPositionEmbeddings + POSITION_OFFSET, dModel, init);
    this.layernorm_embedding = new LayerNorm(dModel, LAYER_NORM_EPS);
    this.dropout = new Dropout(dropout.hidden);
    this.#scale = scaleEmbedding ? Math.sqrt(dModel) : 1;
    this.#maxPositions = maxPositionEmbeddings;
  }

  /**
   * norm(tokens' vectors + positions). Positions count padding too, so that padding on the left moves them.
   *
   * @param vectors [batch, tokens, dModel]
   * @throws PeftError SHAPE_MISMATCH for more tokens than there are positions
   */
  embed(vectors: tf.Tensor): tf.Tensor {
    const scaled = this.#scale === 1 ? vectors : tf.mul(vectors, this.#scale);
    const all = this.prompts ? this.prompts.forward(scaled) : scaled;
    const tokens = all.shape[1]!;
    if (tokens + this.past > this.#maxPositions) {
      throw new PeftError(
        "SHAPE_MISMATCH",
        `${tokens + this.past} tokens, and the model numbers ${this.#maxPositions}`,
        {
          place: this.path,
          hint: "truncate the tokens",
        },
      );
    }
    return this.layernorm_embedding.forward(tf.add(all, this.embed_positions.forward(this.placesOf(tokens))));
  }

  /** How many positions prefixes take before the first token's. */
  get past(): number {
    return 0;
  }

  /** The rows of the position table, [tokens] int32. */
  protected placesOf(tokens: number): tf.Tensor {
    const first = POSITION_OFFSET + this.past;
    return tf.range(first, first + tokens, 1, "int32");
  }
}

export class BartEncoder extends BartStack {
  override readonly prompts: TokenPlace;
  readonly layers: BartEncoderLayer[];

  constructor(config: BartConfig, init: Initializer) {
    super(config, init);
    this.prompts = new TokenPlace(config.dModel);
    this.layers = Array.from({ length: config.encoder.layers }, () => new BartEncoderLayer(config, init));
  }

  /**
   * @param embedded [batch, places, dModel], after `embed`
   * @param attentionMask [batch, places] int32
   */
  override forward(embedded: tf.Tensor, attentionMask?: tf.Tensor): tf.Tensor {
    const mask = attentionMask && paddingMask(attentionMask);
    return this.layers.reduce((x, layer) => layer.forward(x, mask), this.dropout.forward(embedded));
  }
}

export interface BartDecoderInputs {
  /** The tokens that were embedded, [batch, tokens] int32. */
  readonly ids: tf.Tensor;
  /** [batch, tokens] int32. @defaultValue all ones */
  readonly attentionMask?: tf.Tensor;
  /** The encoder's output, [batch, source, dModel]; not needed in a step with a filled cache. */
  readonly encoded?: tf.Tensor;
  /** [batch, source] int32. @defaultValue all ones */
  readonly encodedMask?: tf.Tensor;
}

export class BartDecoder extends BartStack {
  readonly layers: BartDecoderLayer[];

  constructor(config: BartConfig, init: Initializer) {
    super(config, init);
    this.layers = Array.from({ length: config.decoder.layers }, () => new BartDecoderLayer(config, init));
  }

  override get past(): number {
    return this.layers[0]?.self_attn.prefix?.keys.count ?? 0;
  }

  protected override placesOf(tokens: number): tf.Tensor {
    const place = attentionCache()?.place;
    return place ? tf.add(place.position, tf.scalar(POSITION_OFFSET + this.past, "int32")) : super.placesOf(tokens);
  }

  /**
   * @param embedded [batch, tokens, dModel], after `embed`
   * @returns the embeddings and each layer's output
   */
  override forward(embedded: tf.Tensor, { ids, attentionMask, encoded, encodedMask }: BartDecoderInputs): tf.Tensor[] {
    const mask = decoderMask(ids, attentionMask);
    const padding = encodedMask && paddingMask(encodedMask);
    const hiddenStates = [this.dropout.forward(embedded)];
    for (const layer of this.layers) hiddenStates.push(layer.forward(hiddenStates.at(-1)!, mask, encoded, padding));
    return hiddenStates;
  }
}

export class BartModel extends Module {
  /** [vocabulary, dModel] */
  readonly shared: Embedding;
  readonly encoder: BartEncoder;
  readonly decoder: BartDecoder;

  constructor(config: BartConfig, seed: number) {
    super();
    const init = normal(config.initStd, seed);
    this.shared = new Embedding(config.vocabSize, config.dModel, init, { padding: config.padTokenId });
    this.encoder = new BartEncoder(config, init);
    this.decoder = new BartDecoder(config, init);
  }

  /** How many positions of the encoder or the decoder prompts and prefixes take. */
  get virtualTokens(): number {
    return Math.max(this.encoder.prompts.count, this.decoder.past);
  }

  /** The encoder's output, [batch, source, dModel]. */
  encode({ inputIds, attentionMask }: ModelInputs): tf.Tensor {
    return this.encoder.forward(this.encoder.embed(this.shared.forward(inputIds!)), attentionMask);
  }

  /**
   * @param encoded the encoder's output; not needed in a step with a filled cache
   * @returns the embeddings and each layer's output, [batch, target, dModel]
   */
  decode(inputs: ModelInputs, encoded: tf.Tensor | undefined): tf.Tensor[] {
    const { decoderInputIds: ids, decoderAttentionMask: attentionMask, attentionMask: encodedMask } = inputs;
    const embedded = this.decoder.embed(this.shared.forward(ids!));
    return this.decoder.forward(embedded, { ids: ids!, attentionMask, encoded, encodedMask });
  }

  /** As `decode` after `encode`. */
  override forward(inputs: ModelInputs): tf.Tensor[] {
    return this.decode(inputs, this.encode(inputs));
  }
}
