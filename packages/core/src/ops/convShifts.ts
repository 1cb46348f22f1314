// Convolution composed of TensorFlow.js operations: the picture shifted to each element of the window (im2col), and a matrix
// product. TensorFlow.js's own conv2d knows no groups, no dilation beside a stride, and no gradient of a dilation.

import * as tf from "@tensorflow/tfjs";
import { type Geometry, offsets, outputSize, type Pair } from "./convGeometry.js";

const sizeOf = (x: tf.Tensor): Pair => [x.shape[2]!, x.shape[3]!];

/** [a, b, height, width] to [b, a, height, width]. */
function swap(x: tf.Tensor): tf.Tensor {
  return tf.transpose(x, [1, 0, 2, 3]);
}

/** Every stride-th element from `begin` on: [lead, height, width] to [lead, ...out]. */
export function pick(x: tf.Tensor, begin: Pair, out: Pair, stride: Pair): tf.Tensor {
  const lead = x.shape[0]!;
  const length = [(out[0] - 1) * stride[0] + 1, (out[1] - 1) * stride[1] + 1] as const;
  const part = tf.slice(x, [0, ...begin], [lead, ...length]);
  if (stride[0] === 1 && stride[1] === 1) return part;
  // tf.stridedSlice has no gradient: cells of stride x stride, of which the first element is taken.
  const cells = tf.pad(part, [
    [0, 0],
    [0, stride[0] - 1],
    [0, stride[1] - 1],
  ]);
  const apart = tf.reshape(cells, [lead, out[0], stride[0], out[1], stride[1]]);
  return tf.reshape(tf.slice(apart, [0, 0, 0, 0, 0], [lead, out[0], 1, out[1], 1]), [lead, ...out]);
}

/** The adjoint of `pick`: puts [lead, ...out] back into zeros of [lead, ...size]. */
export function place(x: tf.Tensor, begin: Pair, size: Pair, stride: Pair): tf.Tensor {
  const [lead, rows, columns] = x.shape as [number, number, number];
  const length = [(rows - 1) * stride[0] + 1, (columns - 1) * stride[1] + 1] as const;
  const cells = tf.pad(tf.reshape(x, [lead, rows, 1, columns, 1]), [
    [0, 0],
    [0, 0],
    [0, stride[0] - 1],
    [0, 0],
    [0, stride[1] - 1],
  ]);
  const joined = tf.reshape(cells, [lead, rows * stride[0], columns * stride[1]]);
  return tf.pad(tf.slice(joined, [0, 0, 0], [lead, ...length]), [
    [0, 0],
    [begin[0], size[0] - begin[0] - length[0]],
    [begin[1], size[1] - begin[1] - length[1]],
  ]);
}

/** x [batch, in, height, width] as [groups, window * in / groups, batch * out height * out width]. */
function columns(x: tf.Tensor, kernel: Pair, geometry: Geometry): tf.Tensor {
  const [batch, channels] = x.shape as [number, number];
  const { padding, stride, groups } = geometry;
  const out = outputSize(sizeOf(x), kernel, geometry);
  const flat = tf.reshape(swap(x), [channels * batch, ...sizeOf(x)]);
  const padded = tf.pad(flat, [
    [0, 0],
    [padding[0], padding[0]],
    [padding[1], padding[1]],
  ]);
  const positions = batch * out[0] * out[1];
  const shifts = offsets(kernel, geometry).map((begin) =>
    tf.reshape(pick(padded, begin, out, stride), [groups, channels / groups, positions]),
  );
  return tf.concat(shifts, 1);
}

/** [out, in / groups, height, width] as [groups, out / groups, window * in / groups]. */
function filterMatrix(weight: tf.Tensor, groups: number): tf.Tensor {
  const [out, inner, height, width] = weight.shape as [number, number, number, number];
  const apart = tf.transpose(tf.reshape(weight, [out, inner, height * width]), [0, 2, 1]);
  return tf.reshape(apart, [groups, out / groups, height * width * inner]);
}

/** dy [batch, out, height, width] as [groups, out / groups, batch * height * width]. */
function outputMatrix(dy: tf.Tensor, groups: number): tf.Tensor {
  const [, out] = dy.shape as [number, number];
  return tf.reshape(swap(dy), [groups, out / groups, dy.size / out]);
}

export function shiftedConv(x: tf.Tensor, weight: tf.Tensor, geometry: Geometry): tf.Tensor {
  const product = tf.matMul(filterMatrix(weight, geometry.groups), columns(x, sizeOf(weight), geometry));
  const size = outputSize(sizeOf(x), sizeOf(weight), geometry);
  return swap(tf.reshape(product, [weight.shape[0]!, x.shape[0]!, ...size]));
}

export function shiftedInputGradient(dy: tf.Tensor, weight: tf.Tensor, size: Pair, geometry: Geometry): tf.Tensor {
  const { padding, stride, groups } = geometry;
  const [batch, , rows, width] = dy.shape as [number, number, number, number];
  const inner = weight.shape[1]!;
  const product = tf.matMul(filterMatrix(weight, groups), outputMatrix(dy, groups), true, false);
  const whole: Pair = [size[0] + 2 * padding[0], size[1] + 2 * padding[1]];
  const parts = offsets(sizeOf(weight), geometry).map((begin, i) => {
    const part = tf.slice(product, [0, i * inner, 0], [groups, inner, product.shape[2]!]);
    return place(tf.reshape(part, [groups * inner * batch, rows, width]), begin, whole, stride);
  });
  const sum = tf.slice(tf.addN(parts), [0, ...padding], [groups * inner * batch, ...size]);
  return swap(tf.reshape(sum, [groups * inner, batch, ...size]));
}

export function shiftedFilterGradient(x: tf.Tensor, dy: tf.Tensor, kernel: Pair, geometry: Geometry): tf.Tensor {
  const { groups } = geometry;
  const out = dy.shape[1]!;
  const inner = x.shape[1]! / groups;
  const product = tf.matMul(outputMatrix(dy, groups), columns(x, kernel, geometry), false, true);
  const apart = tf.reshape(product, [out, kernel[0] * kernel[1], inner]);
  return tf.reshape(tf.transpose(apart, [0, 2, 1]), [out, inner, ...kernel]);
}
