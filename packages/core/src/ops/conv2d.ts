// Two-dimensional convolution. A convolution whose windows do not overlap, such as the patch embedding of a vision
// transformer, is a matrix product over rearranged pictures, and its gradients follow from that.

import * as tf from "@tensorflow/tfjs";
import { type Attrs, sizeOf } from "../engine/graph.js";
import { defineOp, type OpFunction } from "../engine/op.js";
import { PeftError } from "../errors.js";
import { type ConvWindows, type Geometry, geometryOf, outputSize, type Pair } from "./convGeometry.js";
import { filterGradient, inputGradient } from "./convGradients.js";
import { shiftedConv } from "./convShifts.js";
import { emitConv, type FourAxes } from "./emitConv.js";
import { linear } from "./linear.js";

/** The bare operation, for shapes that are known to fit. */
export const convolve: OpFunction = defineOp({
  name: "PeftConv2d",
  infer: ({ x, weight }, attrs) => {
    const [batch, , ...size] = x!.shape as [number, number, number, number];
    const [out, , ...kernel] = weight!.shape as [number, number, number, number];
    return { shape: [batch, out, ...outputSize(size, kernel, attrs as unknown as Geometry)], dtype: "float32" };
  },
  emit: ({ inputs, attrs }, e) => {
    const { x, weight, bias } = inputs;
    const [picture, filter] = [x!, weight!].map((v) => ({ name: e.of(v), shape: v.shape as FourAxes["shape"] }));
    return emitConv(e, picture!, filter!, attrs as unknown as Geometry, bias && e.of(bias));
  },
  rows: () => ["x"],
  eager: ({ x, weight, bias }, attrs) => {
    const y = shiftedConv(x!, weight!, attrs as unknown as Geometry);
    return bias ? tf.add(y, tf.reshape(bias, [1, -1, 1, 1])) : y;
  },
  gradient: {
    saves: ["x", "weight"],
    of: (dy, [x, weight], attrs) => {
      const dOut = dy as tf.Tensor;
      const [, , height, width] = x!.shape;
      const kernel = weight!.shape.slice(2);
      return {
        x: () => inputGradient({ dy: dOut, weight: weight! }, { ...attrs, height, width })[0]!,
        weight: () => filterGradient({ x: x!, dy: dOut }, { ...attrs, kernel })[0]!,
        bias: () => tf.sum(dOut, [0, 2, 3]),
      };
    },
  },
});

/** Windows side by side: a product over patches. What is left over at the right and bottom is dropped. */
function patches(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor | undefined, [rows, columns]: Pair): tf.Tensor {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const [out, , kh, kw] = weight.shape as [number, number, number, number];
  const whole = rows * kh === height && columns * kw === width;
  const used = whole ? x : tf.slice(x, [0, 0, 0, 0], [batch, channels, rows * kh, columns * kw]);
  const apart = tf.transpose(tf.reshape(used, [batch, channels, rows, kh, columns, kw]), [0, 2, 4, 1, 3, 5]);
  const rowsOfPatches = tf.reshape(apart, [batch, rows * columns, channels * kh * kw]);
  const tokens = linear(rowsOfPatches, tf.reshape(weight, [out, channels * kh * kw]), bias);
  return tf.reshape(tf.transpose(tokens, [0, 2, 1]), [batch, out, rows, columns]);
}

/**
 * Two-dimensional convolution (cross-correlation), as torch.nn.functional.conv2d.
 *
 * @param x [batch, in, height, width]
 * @param weight [out, in / groups, kernel height, kernel width]
 * @param bias [out]
 * @returns [batch, out, height', width'] with height' = floor((height + 2 padding - dilation (kernel - 1) - 1) / stride) + 1
 * @throws PeftError SHAPE_MISMATCH if the shapes do not fit or no window does; ARGUMENT_INVALID for a stride, dilation or
 *   number of groups below 1 or a padding below 0
 */
export function conv2d(x: tf.Tensor, weight: tf.Tensor, bias?: tf.Tensor, options: ConvWindows = {}): tf.Tensor {
  const geometry = geometryOf(options);
  const { stride, padding, dilation, groups } = geometry;
  const [, channels, ...size] = x.shape as [number, number, number, number];
  const [out, inner, ...kernel] = weight.shape as [number, number, number, number];
  if (x.rank !== 4 || weight.rank !== 4 || channels !== inner * groups || out % groups !== 0) {
    const of = groups > 1 ? ` in ${groups} groups` : "";
    throw new PeftError("SHAPE_MISMATCH", `conv2d: x [${x.shape}] does not fit a weight of [${weight.shape}]${of}`);
  }
  if (bias && (bias.rank !== 1 || bias.shape[0] !== out)) {
    throw new PeftError("SHAPE_MISMATCH", `conv2d: a bias of [${bias.shape}] does not fit ${out} output channels`);
  }
  const result = outputSize(size, kernel, geometry);
  if (result[0] < 1 || result[1] < 1) {
    throw new PeftError("SHAPE_MISMATCH", `conv2d: x [${x.shape}] is smaller than a window of ${kernel.join("x")}`);
  }
  const sideBySide = kernel.every((k, i) => k === stride[i] && padding[i] === 0 && dilation[i] === 1) && groups === 1;
  if (sideBySide && sizeOf(kernel) > 1) return patches(x, weight, bias, result);
  return convolve({ x, weight, ...(bias ? { bias } : {}) }, geometry as unknown as Attrs)[0]!;
}
