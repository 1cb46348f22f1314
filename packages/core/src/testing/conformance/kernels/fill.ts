// Cases of the kernels that make numbers from their attributes.

import * as tf from "@tensorflow/tfjs";
import * as fc from "fast-check";
import { dtypes, numeric, type Suite, shapes, suite } from "./shared.js";

export const FILLS: Record<string, Suite> = {
  Fill: suite(
    fc.tuple(shapes, dtypes).map(([shape, dtype]) => ({ inputs: [], apply: () => tf.fill(shape, 1, dtype) })),
    false,
  ),
  LinSpace: suite(
    fc
      .tuple(fc.integer({ min: -5, max: 5 }), fc.integer({ min: -5, max: 5 }), fc.integer({ min: 1, max: 20 }))
      .map(([start, stop, count]) => ({
        inputs: [],
        apply: () => tf.linspace(start, stop, count),
      })),
    false,
  ),
  OnesLike: suite(
    fc.tuple(shapes, dtypes).map(([shape, dtype]) => ({ inputs: [{ shape, dtype }], apply: ([x]) => tf.onesLike(x!) })),
    false,
  ),
  Range: suite(
    fc
      .tuple(
        fc.integer({ min: -5, max: 5 }),
        fc.integer({ min: 6, max: 12 }),
        fc.constantFrom(0.3, 1, 2),
        fc.boolean(),
        numeric,
      )
      .map(([start, stop, step, down, dtype]) => ({
        inputs: [],
        apply: () => {
          const by = dtype === "int32" ? Math.ceil(step) : step;
          // Counting down, also with the step left at 1, which TensorFlow.js turns round.
          return down
            ? tf.range(stop, start, by === 1 ? 1 : -by, dtype as "int32")
            : tf.range(start, stop, by, dtype as "int32");
        },
      })),
    false,
  ),
  ZerosLike: suite(
    fc
      .tuple(shapes, dtypes)
      .map(([shape, dtype]) => ({ inputs: [{ shape, dtype }], apply: ([x]) => tf.zerosLike(x!) })),
    false,
  ),
};
