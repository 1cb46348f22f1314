// Batch normalisation (Ioffe and Szegedy 2015), as torch.nn.functional.batch_norm: by the batch's own moments in a training
// step, by running ones otherwise.

import * as tf from "@tensorflow/tfjs";
import { sizeOf } from "../engine/graph.js";
import { PeftError } from "../errors.js";
import { normaliseBatch } from "./channelNorm.js";

/** Moments of each channel, [channels] each; the variance is the unbiased one. */
export interface RunningMoments {
  mean: tf.Tensor;
  variance: tf.Tensor;
}

export interface BatchNormOptions {
  /** Added to the variance. */
  eps: number;
  /** The share of the batch's moments in the new running ones. */
  momentum: number;
}

function check(x: tf.Tensor, others: Record<string, tf.Tensor>): void {
  const channels = x.shape[1];
  for (const [name, { shape }] of Object.entries(others)) {
    if (channels !== undefined && shape.length === 1 && shape[0] === channels) continue;
    throw new PeftError("SHAPE_MISMATCH", `batchNorm: ${name} [${shape}] does not fit x [${x.shape}]`);
  }
}

/**
 * Batch normalisation by running moments: y = (x - mean) / sqrt(variance + eps) * weight + bias. No gradient reaches them.
 *
 * @param x [batch, channels, ...]
 * @param weight [channels]
 * @param bias [channels]
 * @returns [batch, channels, ...]
 * @throws PeftError SHAPE_MISMATCH
 */
export function batchNorm(
  x: tf.Tensor,
  weight: tf.Tensor,
  bias: tf.Tensor,
  { mean, variance }: RunningMoments,
  { eps }: Pick<BatchNormOptions, "eps">,
): tf.Tensor {
  check(x, { weight, bias, mean, variance });
  const shape = [-1, ...x.shape.slice(2).map(() => 1)];
  const factor = tf.mul(weight, tf.rsqrt(tf.add(variance, eps)));
  const shift = tf.sub(bias, tf.mul(mean, factor));
  return tf.add(tf.mul(x, tf.reshape(factor, shape)), tf.reshape(shift, shape));
}

/**
 * Batch normalisation by the batch's own moments, for a training step.
 *
 * @param x [batch, channels, ...], more than one number of each channel
 * @param weight [channels]
 * @param bias [channels]
 * @returns y [batch, channels, ...], and the running moments moved towards the batch's, for the caller to assign
 * @throws PeftError SHAPE_MISMATCH, also for a channel with a single number, which has no variance
 */
export function batchNormTraining(
  x: tf.Tensor,
  weight: tf.Tensor,
  bias: tf.Tensor,
  running: RunningMoments,
  { eps, momentum }: BatchNormOptions,
): { y: tf.Tensor; running: RunningMoments } {
  check(x, { weight, bias, ...running });
  const count = sizeOf(x.shape) / x.shape[1]!;
  if (count < 2) {
    throw new PeftError("SHAPE_MISMATCH", `batchNorm: x [${x.shape}] has one number of each channel and no variance`, {
      hint: "a training step needs a larger batch",
    });
  }
  const { y, mean, variance } = normaliseBatch({ x, weight, bias }, eps);
  const moved = (old: tf.Tensor, now: tf.Tensor): tf.Tensor => tf.add(tf.mul(old, 1 - momentum), tf.mul(now, momentum));
  const unbiased = tf.mul(variance, count / (count - 1));
  return { y, running: { mean: moved(running.mean, mean), variance: moved(running.variance, unbiased) } };
}
