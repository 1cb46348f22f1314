// What a decoder reads in training: the labels, one place later.

import * as tf from "@tensorflow/tfjs";

/** Labels that do not count. */
export const IGNORED_LABEL = -100;

/**
 * The start token, then the labels without their last. Labels that do not count become padding.
 *
 * @param labels [batch, tokens] int32
 * @returns [batch, tokens] int32
 */
export function shiftRight(labels: tf.Tensor, startTokenId: number, padTokenId: number): tf.Tensor {
  const [batch, tokens] = labels.shape as [number, number];
  const start = tf.fill([batch, 1], startTokenId, "int32");
  const shifted = tf.concat([start, tf.slice(labels, [0, 0], [batch, tokens - 1])], 1);
  return tf.where(
    tf.equal(shifted, tf.scalar(IGNORED_LABEL, "int32")),
    tf.fill(shifted.shape, padTokenId, "int32"),
    shifted,
  );
}
