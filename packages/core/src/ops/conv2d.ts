// Two-dimensional convolution. A convolution whose windows do not overlap, such as the patch embedding of a vision
// transformer, is a matrix product over rearranged pictures, and its gradients follow from that.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";
import { linear } from "./linear.js";

/**
 * Convolution with windows side by side (stride = kernel size, no padding).
 *
 * @param x [batch, in, height, width]; a remainder at the right and bottom is dropped, as in PyTorch
 * @param weight [out, in, size, size]
 * @param bias [out]
 * @returns [batch, out, floor(height / size), floor(width / size)]
 * @throws PeftError SHAPE_MISMATCH if the shapes do not fit; ARGUMENT_INVALID for overlapping windows
 */
export function conv2d(
  x: tf.Tensor,
  weight: tf.Tensor,
  bias: tf.Tensor | undefined,
  { stride }: { stride: number },
): tf.Tensor {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const [out, inner, kh, kw] = weight.shape as [number, number, number, number];
  if (x.rank !== 4 || weight.rank !== 4 || channels !== inner) {
    throw new PeftError("SHAPE_MISMATCH", `conv2d: x [${x.shape}] does not fit a weight of [${weight.shape}]`);
  }
  if (kh !== stride || kw !== stride) {
    throw new PeftError("ARGUMENT_INVALID", `conv2d takes windows side by side: kernel ${kh}x${kw}, stride ${stride}`);
  }
  const rows = Math.floor(height / kh);
  const columns = Math.floor(width / kw);
  const whole = rows * kh === height && columns * kw === width;
  const used = whole ? x : tf.slice(x, [0, 0, 0, 0], [batch, channels, rows * kh, columns * kw]);
  const apart = tf.transpose(tf.reshape(used, [batch, channels, rows, kh, columns, kw]), [0, 2, 4, 1, 3, 5]);
  const patches = tf.reshape(apart, [batch, rows * columns, channels * kh * kw]);
  const tokens = linear(patches, tf.reshape(weight, [out, channels * kh * kw]), bias);
  return tf.reshape(tf.transpose(tokens, [0, 2, 1]), [batch, out, rows, columns]);
}
