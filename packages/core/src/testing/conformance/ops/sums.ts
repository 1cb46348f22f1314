// Cases of cumulative sums and of what is taken by indices.

import * as tf from "@tensorflow/tfjs";
import * as fc from "fast-check";
import { cumsum, takeAlongAxis } from "../../../ops/index.js";
import { dimension, type OpCase, shape } from "./shared.js";

export const SUMS: Record<string, fc.Arbitrary<OpCase>> = {
  cumsum: fc
    .record({ shape, at: dimension, back: fc.boolean(), exclusive: fc.boolean(), reverse: fc.boolean() })
    .map(({ shape, at, back, exclusive, reverse }) => {
      const axis = at % shape.length;
      return {
        shapes: [shape],
        apply: ([x]) => cumsum(x!, back ? axis - shape.length : axis, { exclusive, reverse }),
        // A product with a triangle of ones.
        compose: ([x]) => {
          const length = shape[axis]!;
          const counts = (from: number, to: number): boolean =>
            (reverse ? from > to : from < to) || (!exclusive && from === to);
          const triangle = tf.tensor2d(
            Float32Array.from({ length: length ** 2 }, (_, i) => (counts(i % length, Math.floor(i / length)) ? 1 : 0)),
            [length, length],
          );
          const last = tf.transpose(x!, [...shape.keys()].filter((i) => i !== axis).concat(axis));
          const sums = tf.matMul(tf.reshape(last, [-1, length]), triangle, false, true);
          const order = [...shape.keys()].map((i) => (i === axis ? shape.length - 1 : i < axis ? i : i - 1));
          return tf.transpose(tf.reshape(sums, last.shape), order);
        },
      };
    }),
  takeAlongAxis: fc
    .record({ shape, at: dimension, count: fc.integer({ min: 1, max: 6 }) })
    .map(({ shape, at, count }) => {
      const axis = at % shape.length;
      const [taken, length] = [shape.with(axis, count), shape[axis]!];
      const indices = (): tf.Tensor =>
        tf.tensor(
          Int32Array.from({ length: taken.reduce((p, d) => p * d, 1) }, (_, i) => (i * 7 + 3) % length),
          taken,
          "int32",
        );
      return {
        shapes: [shape],
        apply: ([x]) => takeAlongAxis(x!, indices(), axis),
        // The sum over the axis of what the index picks.
        compose: ([x]) => {
          const hit = tf.cast(tf.equal(tf.expandDims(indices(), -1), tf.range(0, length, 1, "int32")), "float32");
          const moved = tf.transpose(x!, [...shape.keys()].filter((i) => i !== axis).concat(axis));
          return tf.sum(tf.mul(hit, tf.expandDims(moved, axis)), -1);
        },
      };
    }),
};
