// Two-dimensional average pooling, over windows or to a given size: rows and columns are averaged one after the other, each
// by a product with a matrix of weights.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";
import { type AxisMatrix, axisMatrix, axisProduct } from "./axisProduct.js";
import { type Pair, pairOf } from "./convGeometry.js";
import { type PoolWindows, poolGeometry } from "./poolGeometry.js";

/** Output i is the sum of the places [from, to) of its window that are inside, divided by `count`. */
function averages(
  out: number,
  length: number,
  windowOf: (i: number) => { from: number; to: number; count: number },
): AxisMatrix {
  const windows = Array.from({ length: out }, (_, i) => windowOf(i));
  return axisMatrix(out, length, (i, j) => {
    const { from, to, count } = windows[i]!;
    return j >= from && j < to ? 1 / count : 0;
  });
}

export interface AvgPoolWindows extends PoolWindows {
  /** Whether the zeros of the padding count in the average. @defaultValue true */
  countIncludePad?: boolean;
}

/**
 * Two-dimensional average pooling, as torch.nn.functional.avg_pool2d.
 *
 * @param x [batch, channels, height, width]
 * @returns [batch, channels, height', width'] with height' = floor((height + 2 padding - kernel) / stride) + 1, or the ceiling
 *   of the quotient in `ceilMode`; what a window has beyond the padding never counts
 * @throws PeftError SHAPE_MISMATCH if no window fits; ARGUMENT_INVALID for a kernel or stride below 1 or a padding above half a
 *   window
 */
export function avgPool2d(x: tf.Tensor, { countIncludePad = true, ...windows }: AvgPoolWindows): tf.Tensor {
  const { kernel, stride, padding, out } = poolGeometry("avgPool2d", x.shape, windows);
  const along = (i: 0 | 1): AxisMatrix => {
    const length = x.shape[2 + i]!;
    return averages(out[i], length, (n) => {
      const from = n * stride[i] - padding[i];
      const to = Math.min(from + kernel[i], length + padding[i]);
      const inside = Math.min(to, length) - Math.max(from, 0);
      return { from, to, count: countIncludePad ? to - from : inside };
    });
  };
  return axisProduct(axisProduct(x, along(1), 3), along(0), 2);
}

/**
 * Average pooling to a size, as torch.nn.functional.adaptive_avg_pool2d: window i covers
 * floor(i length / size)..ceil((i + 1) length / size) - 1.
 *
 * @param x [batch, channels, height, width]
 * @param size of the output; one number for both directions
 * @throws PeftError SHAPE_MISMATCH if x is not of four axes, ARGUMENT_INVALID for a size below 1
 */
export function adaptiveAvgPool2d(x: tf.Tensor, size: number | Pair): tf.Tensor {
  const out = pairOf("adaptiveAvgPool2d: size", size, 1);
  if (x.rank !== 4) {
    throw new PeftError("SHAPE_MISMATCH", `adaptiveAvgPool2d wants [batch, channels, height, width], got [${x.shape}]`);
  }
  if (out[0] === 1 && out[1] === 1) return tf.mean(x, [2, 3], true);
  const along = (i: 0 | 1): AxisMatrix => {
    const length = x.shape[2 + i]!;
    return averages(out[i], length, (n) => {
      const from = Math.floor((n * length) / out[i]);
      const to = Math.ceil(((n + 1) * length) / out[i]);
      return { from, to, count: to - from };
    });
  };
  return axisProduct(axisProduct(x, along(1), 3), along(0), 2);
}
