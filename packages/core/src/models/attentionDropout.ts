// Attention with dropout on its probabilities, as the hosts have it in training.

import * as tf from "@tensorflow/tfjs";
import { isTraining } from "../engine/index.js";
import type { Dropout } from "../nn/index.js";
import { type AttentionOptions, attention } from "../ops/index.js";

/**
 * `attention`; in training with a rate above 0 the same written out, since the fused operation has no dropout.
 *
 * @param dropout of the probabilities
 */
export function attentionWithDropout(
  q: tf.Tensor,
  k: tf.Tensor,
  v: tf.Tensor,
  { dropout, ...options }: AttentionOptions & { readonly dropout: Dropout },
): tf.Tensor {
  if (!isTraining() || dropout.rate === 0) return attention(q, k, v, options);
  const { heads, mask } = options;
  const [batch, queries, width] = q.shape as [number, number, number];
  const perHead = width / heads;
  const apart = (x: tf.Tensor): tf.Tensor =>
    tf.transpose(tf.reshape(x, [batch, x.shape[1]!, heads, perHead]), [0, 2, 1, 3]);
  const scores = tf.mul(tf.matMul(apart(q), apart(k), false, true), options.scale ?? perHead ** -0.5);
  const probabilities = dropout.forward(tf.softmax(mask ? tf.add(scores, mask) : scores));
  const joined = tf.transpose(tf.matMul(probabilities, apart(v)), [0, 2, 1, 3]);
  return tf.reshape(joined, [batch, queries, width]);
}
