// Cumulative sums. TensorFlow.js has the operation; its gradient is right along the last axis alone.

import * as tf from "@tensorflow/tfjs";
import { axisOf } from "../engine/kernels/shapes.js";

export interface CumsumOptions {
  /** Whether a place's own number is left out of its sum. @defaultValue false */
  exclusive?: boolean;
  /** Whether sums go from the end. @defaultValue false */
  reverse?: boolean;
}

/**
 * The sums of all numbers up to each place of an axis.
 *
 * @param x any shape
 * @param axis counted from the front or the back
 */
export function cumsum(
  x: tf.Tensor,
  axis: number,
  { exclusive = false, reverse = false }: CumsumOptions = {},
): tf.Tensor {
  const at = axisOf(axis, x.rank);
  const op = tf.customGrad((input) => ({
    value: tf.cumsum(input as tf.Tensor, at, exclusive, reverse),
    // A number is in the sums of all places from its own on.
    gradFunc: (dy: tf.Tensor) => tf.cumsum(dy, at, exclusive, !reverse),
  }));
  return op(x);
}
