// Cases of the kernels that take or place elements by positions.

import * as tf from "@tensorflow/tfjs";
import * as fc from "fast-check";
import { dimension, dtypes, type Input, numeric, ranked, type Suite, shapes, suite, withAxis } from "./shared.js";

const index = (length: number): Partial<Input> => ({ dtype: "int32", low: 0, high: length - 1 });

export const GATHERS: Record<string, Suite> = {
  GatherNd: suite(
    fc
      .record({
        shape: fc.array(fc.constant(4), { minLength: 1, maxLength: 4 }),
        depth: fc.nat(3),
        lead: ranked,
        dtype: numeric,
      })
      .map(({ shape, depth, lead, dtype }) => ({
        inputs: [
          { shape, dtype },
          { shape: [...lead.slice(0, 2), 1 + (depth % shape.length)], ...index(4) },
        ],
        apply: ([x, indices]) => tf.gatherND(x!, indices!),
      })),
    false,
  ),
  GatherV2: suite(
    fc.record({ axis: withAxis, lead: shapes, dtype: dtypes }).map(({ axis: { shape, axis }, lead, dtype }) => ({
      inputs: [
        { shape, dtype },
        { shape: lead.slice(0, 2), ...index(shape.at(axis)!) },
      ],
      apply: ([x, indices]) => tf.gather(x!, indices!, axis),
    })),
  ),
  OneHot: suite(
    fc
      .record({ shape: shapes, depth: fc.integer({ min: 2, max: 6 }), on: fc.nat(3), dtype: dtypes })
      .map(({ shape, depth, on, dtype }) => ({
        inputs: [{ shape, dtype: "int32", low: -1, high: depth }],
        apply: ([x]) => tf.oneHot(x!, depth, dtype === "bool" ? 1 : on, 0, dtype),
      })),
    false,
  ),
  ScatterNd: suite(
    fc
      .record({
        shape: fc.array(fc.integer({ min: 3, max: 5 }), { minLength: 1, maxLength: 3 }),
        depth: fc.nat(2),
        rows: dimension,
        dtype: numeric,
      })
      .map(({ shape, depth, rows, dtype }) => {
        const lead = 1 + (depth % shape.length);
        return {
          inputs: [
            { shape: [rows, lead], ...index(3) },
            { shape: [rows, ...shape.slice(lead)], dtype },
          ],
          apply: ([indices, updates]) => tf.scatterND(indices!, updates!, shape),
        };
      }),
    false,
  ),
  TopK: suite(
    fc.record({ shape: ranked, k: fc.nat(4), dtype: numeric }).map(({ shape, k, dtype }) => ({
      inputs: [{ shape, dtype }],
      apply: ([x]) => Object.values(tf.topk(x!, 1 + (k % shape.at(-1)!))),
    })),
    false,
  ),
  // Of integers TensorFlow.js makes floats.
  UnsortedSegmentSum: suite(
    fc.record({ shape: ranked, segments: dimension }).map(({ shape, segments }) => ({
      inputs: [{ shape }, { shape: shape.slice(0, 1), ...index(segments) }],
      apply: ([x, ids]) => tf.unsortedSegmentSum(x!, ids as tf.Tensor1D, segments),
    })),
  ),
};
