// Attention as encoder-decoder models have it: with dropout on the probabilities in a training step, and with several beams
// of a sample that share its keys.

import * as tf from "@tensorflow/tfjs";
import type { Dropout } from "../../nn/index.js";
import { attentionWithDropout } from "../attentionDropout.js";
import type { PrefixPlaces } from "../tokenPlace.js";
import { attentionCache, type KeysAndValues } from "./cache.js";

/** What attends to what: the encoder's tokens to one another, the decoder's to those before, or to the encoder's output. */
export type AttentionKind = "encoder" | "decoder" | "cross";

/**
 * The keys and values that an attention module attends to: those made, with the cache's where one is in force.
 *
 * @param path of the module
 */
export function keysAndValues(kind: AttentionKind, path: string, make: () => KeysAndValues): KeysAndValues {
  const cache = attentionCache();
  if (!cache || kind === "encoder") return make();
  return kind === "cross" ? cache.remember(path, make) : cache.append(path, make());
}

/** With what was put before them. The cache holds none of it, so that it is the same for all steps. */
export function withPrefix(kv: KeysAndValues, prefix: PrefixPlaces | undefined): KeysAndValues {
  if (!prefix) return kv;
  return { keys: prefix.keys.forward(kv.keys), values: prefix.values.forward(kv.values) };
}

export interface AttendOptions {
  readonly heads: number;
  /** Factor of the scores. */
  readonly scale: number;
  /** As for `attention`. */
  readonly mask?: tf.Tensor;
  /** Of the probabilities. */
  readonly dropout: Dropout;
}

/**
 * dropout(softmax(scale q k^T + mask)) v for each head.
 *
 * @param q [batch, queries, heads * width]; or [batch * beams, 1, heads * width]
 * @param kv each [batch, keys, heads * width]
 * @returns the shape of q
 */
export function attend(q: tf.Tensor, { keys, values }: KeysAndValues, options: AttendOptions): tf.Tensor {
  const [batch, width] = [keys.shape[0]!, q.shape[2]!];
  if (q.shape[0] === batch) return attentionWithDropout(q, keys, values, options);
  // The beams of a sample as its queries, so that its keys are there once.
  const folded = tf.reshape(q, [batch, q.shape[0]! / batch, width]);
  return tf.reshape(attentionWithDropout(folded, keys, values, options), q.shape);
}
