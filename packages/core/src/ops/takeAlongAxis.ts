// One element for each index along an axis, as torch.gather, with its gradient: a sum by position.

import * as tf from "@tensorflow/tfjs";
import { sizeOf } from "../engine/graph.js";
import { axisOf } from "../engine/kernels/shapes.js";
import { PeftError } from "../errors.js";

/**
 * y[..., i, ...] = x[..., indices[..., i, ...], ...]: of every line along an axis the elements at that line's own indices.
 *
 * @param x any shape
 * @param indices int32, the shape of x but along the axis, where it may have any length; each below x's length there
 * @param axis counted from the front or the back
 * @returns the shape of `indices`
 * @throws PeftError SHAPE_MISMATCH; when it runs compiled on the CPU, DATA_INVALID for another index
 */
export function takeAlongAxis(x: tf.Tensor, indices: tf.Tensor, axis: number): tf.Tensor {
  const at = axisOf(axis, x.rank);
  if (indices.rank !== x.rank || indices.shape.some((d, i) => i !== at && d !== x.shape[i])) {
    throw new PeftError("SHAPE_MISMATCH", `takeAlongAxis: indices [${indices.shape}] do not fit x [${x.shape}]`);
  }
  // The index of a line's first element in x laid out flat, for each element of the result.
  const [length, count, inner] = [x.shape[at]!, indices.shape[at]!, sizeOf(x.shape.slice(at + 1))];
  const first = Int32Array.from({ length: sizeOf(indices.shape) }, (_, i) => {
    return Math.floor(i / (count * inner)) * length * inner + (i % inner);
  });
  const lines = tf.tensor(first, indices.shape, "int32");
  // Outside of its line an index would find another line's element.
  const isInside = tf.logicalAnd(tf.greaterEqual(indices, 0), tf.less(indices, length));
  const own = tf.add(tf.mul(indices, tf.scalar(inner, "int32")), lines);
  const places = tf.where(isInside, own, tf.fill(indices.shape, x.size, "int32"));
  return tf.reshape(tf.gather(tf.reshape(x, [-1]), tf.reshape(places, [-1])), indices.shape);
}
