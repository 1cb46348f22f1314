// Cases of the kernels that sum up or pick along axes.

import * as tf from "@tensorflow/tfjs";
import * as fc from "fast-check";
import type { DType } from "../../../engine/index.js";
import { dtypes, numeric, onlyBool, ranked, type Suite, shapes, suite, withAxis, withFrontAxis } from "./shared.js";

const reduction = (
  fn: (x: tf.Tensor, axis: number[] | undefined, keep: boolean) => tf.Tensor,
  types: fc.Arbitrary<DType> = dtypes,
  differentiable = true,
): Suite =>
  suite(
    fc
      .record({
        shape: shapes,
        picks: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
        all: fc.boolean(),
        keep: fc.boolean(),
        back: fc.boolean(),
        dtype: types,
      })
      .map(({ shape, picks, all, keep, back, dtype }) => {
        const axes = shape.map((_, i) => i).filter((i) => picks[i]);
        const axis = all || axes.length === 0 ? undefined : axes.map((i) => (back ? i - shape.length : i));
        return { inputs: [{ shape, dtype }], apply: ([x]) => fn(x!, axis, keep) };
      }),
    differentiable,
  );

/** TensorFlow.js's gradient is right along the last axis alone. */
const cumsum = (last: boolean): Suite =>
  suite(
    fc
      .record({ on: withFrontAxis, exclusive: fc.boolean(), reverse: fc.boolean(), dtype: numeric })
      .map(({ on: { shape, axis }, exclusive, reverse, dtype }) => ({
        inputs: [{ shape, dtype }],
        apply: ([x]) => tf.cumsum(x!, last ? shape.length - 1 : axis, exclusive, reverse),
      })),
    last,
  );

export const REDUCTIONS: Record<string, Suite> = {
  All: reduction(tf.all, onlyBool, false),
  Any: reduction(tf.any, onlyBool, false),
  ArgMax: suite(
    withAxis.chain((x) =>
      numeric.map((dtype) => ({ inputs: [{ shape: x.shape, dtype }], apply: ([t]) => tf.argMax(t!, x.axis) })),
    ),
    false,
  ),
  ArgMin: suite(
    withAxis.chain((x) =>
      numeric.map((dtype) => ({ inputs: [{ shape: x.shape, dtype }], apply: ([t]) => tf.argMin(t!, x.axis) })),
    ),
    false,
  ),
  Cumprod: suite(
    fc.record({ axis: withFrontAxis, exclusive: fc.boolean(), reverse: fc.boolean(), dtype: numeric }).map((c) => ({
      inputs: [{ shape: c.axis.shape, dtype: c.dtype }],
      apply: ([x]) => tf.cumprod(x!, c.axis.axis, c.exclusive, c.reverse),
    })),
    false,
  ),
  Cumsum: cumsum(true),
  "Cumsum, along any axis": cumsum(false),
  Max: reduction(tf.max, numeric),
  Mean: reduction(tf.mean),
  Min: reduction(tf.min, numeric),
  // Its gradient, and a cumulative sum or product, want axes counted from the front.
  Prod: reduction((x, axis, keep) =>
    tf.prod(
      x,
      axis?.map((a) => (a < 0 ? a + x.rank : a)),
      keep,
    ),
  ),
  Softmax: suite(ranked.map((shape) => ({ inputs: [{ shape, low: -9, high: 9 }], apply: ([x]) => tf.softmax(x!) }))),
  Sum: reduction(tf.sum),
};
