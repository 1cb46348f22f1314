// Cases of the matrix products.

import * as tf from "@tensorflow/tfjs";
import * as fc from "fast-check";
import { dimension, numeric, type Suite, suite } from "./shared.js";

const factors = fc.record({
  batch: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
  thin: fc.nat(2),
  m: dimension,
  k: dimension,
  n: dimension,
  transposeA: fc.boolean(),
  transposeB: fc.boolean(),
  dtype: numeric,
});

const swapped = (rows: number, columns: number, transposed: boolean): number[] =>
  transposed ? [columns, rows] : [rows, columns];

/** TensorFlow.js's gradient is for equal batches. */
const batchMatMul = (broadcasts: boolean): Suite =>
  suite(
    factors.map(({ batch, thin, m, k, n, transposeA, transposeB, dtype }) => {
      const side = (which: number): number[] => (broadcasts && thin === which ? batch.map(() => 1) : batch);
      return {
        inputs: [
          { shape: [...side(1), ...swapped(m, k, transposeA)], dtype },
          { shape: [...side(2), ...swapped(k, n, transposeB)], dtype },
        ],
        apply: ([a, b]) => tf.matMul(a!, b!, transposeA, transposeB),
      };
    }),
    !broadcasts,
  );

export const PRODUCTS: Record<string, Suite> = {
  BatchMatMul: batchMatMul(false),
  "BatchMatMul, broadcast": batchMatMul(true),
  _FusedMatMul: suite(
    fc
      .tuple(factors, fc.constantFrom("linear", "relu", "relu6", "elu", "sigmoid", "leakyrelu", "prelu"), fc.boolean())
      .map(([{ batch, m, k, n, transposeA, transposeB }, activation, bias]) => ({
        inputs: [
          { shape: [...batch, ...swapped(m, k, transposeA)] },
          { shape: [...batch, ...swapped(k, n, transposeB)] },
          { shape: [n] },
          { shape: [n] },
        ],
        apply: ([a, b, c, slope]) =>
          tf.fused.matMul({
            a: a!,
            b: b!,
            transposeA,
            transposeB,
            bias: bias ? c! : undefined,
            activation: activation as "relu",
            ...(activation === "prelu" ? { preluActivationWeights: slope! } : {}),
          }),
      })),
    false,
  ),
};
