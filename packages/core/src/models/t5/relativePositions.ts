// T5's relative positions (Raffel et al. 2020, §2.1): a number for each head and each bucket of distances, added to the
// scores. Near distances have a bucket each; farther ones share buckets whose widths grow geometrically.

import * as tf from "@tensorflow/tfjs";

/** Keeps a quotient of logarithms that is a whole number from falling below it. */
const ROUNDING = 1e-9;

export interface Buckets {
  /** How many there are, both directions together. */
  readonly count: number;
  /** From this distance on all are one bucket. */
  readonly maxDistance: number;
  /** Whether keys after the query have buckets of their own, as in an encoder; in a decoder they are hidden. */
  readonly bidirectional: boolean;
}

/** The bucket of a key at this place relative to the query: below 0 before it, above 0 after it. */
export function bucketOf(relative: number, { count, maxDistance, bidirectional }: Buckets): number {
  const perSide = bidirectional ? count / 2 : count;
  const exact = perSide / 2;
  const distance = bidirectional ? Math.abs(relative) : Math.max(-relative, 0);
  const first = bidirectional && relative > 0 ? perSide : 0;
  if (distance < exact) return first + distance;
  const share = Math.log(distance / exact) / Math.log(maxDistance / exact);
  return first + Math.min(perSide - 1, exact + Math.floor(share * (perSide - exact) + ROUNDING));
}

/**
 * The bias of whole sequences that number their places alike.
 *
 * @param table [buckets, heads]
 * @returns [1, heads, length, length]
 */
export function relativeBias(table: tf.Tensor, length: number, buckets: Buckets): tf.Tensor {
  const ids = Int32Array.from({ length: length * length }, (_, i) => {
    return bucketOf((i % length) - Math.floor(i / length), buckets);
  });
  const rows = tf.gather(table, tf.tensor1d(ids, "int32"));
  return tf.expandDims(tf.transpose(tf.reshape(rows, [length, length, table.shape[1]!]), [2, 0, 1]), 0);
}

/**
 * The bias of one query at a place that is known only when the step runs, over keys 0 to length - 1. Keys after it have the
 * bucket of its own place: they are hidden.
 *
 * @param table [buckets, heads]
 * @param position [1] int32
 * @returns [1, heads, 1, length]
 */
export function relativeBiasAt(table: tf.Tensor, position: tf.Tensor, length: number, buckets: Buckets): tf.Tensor {
  const back = Int32Array.from({ length }, (_, distance) => bucketOf(-distance, buckets));
  const distances = tf.maximum(tf.sub(position, tf.range(0, length, 1, "int32")), tf.scalar(0, "int32"));
  const ids = tf.gather(tf.tensor1d(back, "int32"), tf.cast(distances, "int32"));
  const rows = tf.gather(table, ids);
  return tf.reshape(tf.transpose(rows, [1, 0]), [1, table.shape[1]!, 1, length]);
}
