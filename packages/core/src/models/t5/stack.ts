// The encoder and the decoder of T5: blocks over embedded tokens, with relative positions from the first block's table.

import * as tf from "@tensorflow/tfjs";
import { Dropout, type Layer, Module, RMSNorm } from "../../nn/index.js";
import { paddingMask } from "../../ops/index.js";
import { attentionCache, decoderMask } from "../seq2seq/index.js";
import { maskOver, TokenPlace } from "../tokenPlace.js";
import type { T5Config } from "./config.js";
import { T5CrossAttentionLayer, T5FeedForwardLayer, T5SelfAttentionLayer } from "./layers.js";
import { type Buckets, relativeBias, relativeBiasAt } from "./relativePositions.js";

export class T5EncoderBlock extends Module {
  readonly layer: [T5SelfAttentionLayer, T5FeedForwardLayer];

  constructor(config: T5Config, options: { relative: boolean; seed: number }) {
    super();
    this.layer = [
      new T5SelfAttentionLayer(config, { kind: "encoder", ...options }),
      new T5FeedForwardLayer(config, options.seed),
    ];
  }

  override forward(x: tf.Tensor, mask: tf.Tensor): tf.Tensor {
    const [attention, feedForward] = this.layer;
    return feedForward.forward(attention.forward(x, mask));
  }
}

export class T5DecoderBlock extends Module {
  readonly layer: [T5SelfAttentionLayer, T5CrossAttentionLayer, T5FeedForwardLayer];

  constructor(config: T5Config, options: { relative: boolean; seed: number }) {
    super();
    this.layer = [
      new T5SelfAttentionLayer(config, { kind: "decoder", ...options }),
      new T5CrossAttentionLayer(config, options.seed),
      new T5FeedForwardLayer(config, options.seed),
    ];
  }

  override forward(x: tf.Tensor, mask: tf.Tensor, encoded: tf.Tensor | undefined, padding?: tf.Tensor): tf.Tensor {
    const [attention, cross, feedForward] = this.layer;
    return feedForward.forward(cross.forward(attention.forward(x, mask), encoded, padding));
  }
}

export interface T5StackOutput {
  /** After the final norm, [batch, tokens, dModel]. */
  readonly lastHiddenState: tf.Tensor;
  /** The embeddings and each block's output, [batch, tokens, dModel]. */
  readonly hiddenStates: readonly tf.Tensor[];
}

export interface T5EncoderInputs {
  /** [batch, tokens] int32: 1 for a token, 0 for padding. @defaultValue all ones */
  readonly attentionMask?: tf.Tensor;
  /**
   * So many of the first places have relative positions among them; the others, such as those of a picture, have none to
   * any place. @defaultValue all
   */
  readonly positions?: number;
}

export class T5Encoder extends Module {
  /** Where prompts go: before the tokens. */
  readonly prompts: TokenPlace;
  readonly block: T5EncoderBlock[];
  readonly final_layer_norm: Layer;
  readonly dropout: Layer;
  readonly #buckets: Buckets;

  constructor(config: T5Config, seed: number) {
    super();
    this.prompts = new TokenPlace(config.dModel);
    this.block = Array.from({ length: config.numLayers }, (_, i) => {
      return new T5EncoderBlock(config, { relative: i === 0, seed });
    });
    this.final_layer_norm = new RMSNorm(config.dModel, config.layerNormEpsilon);
    this.dropout = new Dropout(config.dropoutRate);
    this.#buckets = bucketsOf(config, true);
  }

  /** @param embedded [batch, tokens, dModel] */
  override forward(embedded: tf.Tensor, { attentionMask, positions }: T5EncoderInputs = {}): T5StackOutput {
    const x = this.prompts.forward(embedded);
    const tokens = x.shape[1]!;
    const numbered = positions === undefined ? tokens : positions + this.prompts.count;
    const bias = relativeBias(tableOf(this.block[0]!), numbered, this.#buckets);
    const rest = tokens - numbered;
    const whole =
      rest > 0
        ? tf.pad(bias, [
            [0, 0],
            [0, 0],
            [0, rest],
            [0, rest],
          ])
        : bias;
    const mask = attentionMask ? tf.add(whole, maskOver(paddingMask(attentionMask), tokens)) : whole;
    return run(x, this, this.block, (block, x) => block.forward(x, mask));
  }
}

export interface T5DecoderInputs {
  /** The tokens that were embedded, [batch, tokens] int32. */
  readonly ids: tf.Tensor;
  /** [batch, tokens] int32. @defaultValue all ones */
  readonly attentionMask?: tf.Tensor;
  /** The encoder's output, [batch, source, dModel]; not needed in a step with a filled cache. */
  readonly encoded?: tf.Tensor;
  /** [batch, source] int32. @defaultValue all ones */
  readonly encodedMask?: tf.Tensor;
}

export class T5Decoder extends Module {
  readonly block: T5DecoderBlock[];
  readonly final_layer_norm: Layer;
  readonly dropout: Layer;
  readonly #buckets: Buckets;

  constructor(config: T5Config, seed: number) {
    super();
    this.block = Array.from({ length: config.numDecoderLayers }, (_, i) => {
      return new T5DecoderBlock(config, { relative: i === 0, seed });
    });
    this.final_layer_norm = new RMSNorm(config.dModel, config.layerNormEpsilon);
    this.dropout = new Dropout(config.dropoutRate);
    this.#buckets = bucketsOf(config, false);
  }

  /** @param embedded [batch, tokens, dModel] */
  override forward(embedded: tf.Tensor, inputs: T5DecoderInputs): T5StackOutput {
    const { ids, encoded, encodedMask } = inputs;
    const cache = attentionCache();
    const table = tableOf(this.block[0]!);
    // Prefixes are before the first token, so that queries begin at the place behind them.
    const past = this.block[0]!.layer[0].SelfAttention.prefix!.keys.count;
    const bias = cache?.place
      ? relativeBiasAt(
          table,
          tf.add(cache.place.position, tf.scalar(past, "int32")),
          past + cache.length,
          this.#buckets,
        )
      : lastQueries(relativeBias(table, past + ids.shape[1]!, this.#buckets), ids.shape[1]!);
    const mask = tf.add(bias, maskOver(decoderMask(ids, inputs.attentionMask), bias.shape[3]!));
    const padding = encodedMask && paddingMask(encodedMask);
    return run(embedded, this, this.block, (block, x) => block.forward(x, mask, encoded, padding));
  }
}

function run<Block>(
  embedded: tf.Tensor,
  stack: { readonly final_layer_norm: Layer; readonly dropout: Layer },
  blocks: readonly Block[],
  forward: (block: Block, x: tf.Tensor) => tf.Tensor,
): T5StackOutput {
  const hiddenStates = [stack.dropout.forward(embedded)];
  for (const block of blocks) hiddenStates.push(forward(block, hiddenStates.at(-1)!));
  const lastHiddenState = stack.dropout.forward(stack.final_layer_norm.forward(hiddenStates.at(-1)!));
  return { lastHiddenState, hiddenStates };
}

/** [1, heads, all, keys] to [1, heads, queries, keys] */
function lastQueries(bias: tf.Tensor, queries: number): tf.Tensor {
  const [, heads, all, keys] = bias.shape as [number, number, number, number];
  return all === queries ? bias : tf.slice(bias, [0, 0, all - queries, 0], [1, heads, queries, keys]);
}

function tableOf({ layer: [attention] }: T5EncoderBlock | T5DecoderBlock): tf.Tensor {
  return attention.SelfAttention.relative_attention_bias!.weight.value();
}

function bucketsOf(config: T5Config, bidirectional: boolean): Buckets {
  return {
    count: config.relativeAttentionNumBuckets,
    maxDistance: config.relativeAttentionMaxDistance,
    bidirectional,
  };
}
