// What the cases of the kernels are made of: shapes, types and axes as ordinary code has them.

import * as fc from "fast-check";
import type { DType } from "../../../engine/index.js";
import type { Case } from "../measure.js";

export type { Input } from "../measure.js";

export interface Suite {
  readonly cases: fc.Arbitrary<Case>;
  /** Whether TensorFlow.js differentiates it by the float32 inputs. */
  readonly differentiable: boolean;
}

export const dimension: fc.Arbitrary<number> = fc.integer({ min: 1, max: 5 });
export const shapes: fc.Arbitrary<number[]> = fc.array(dimension, { maxLength: 4 });
export const ranked: fc.Arbitrary<number[]> = fc.array(dimension, { minLength: 1, maxLength: 4 });
export const dtypes: fc.Arbitrary<DType> = fc.constantFrom<DType>("float32", "int32", "bool");
export const numeric: fc.Arbitrary<DType> = fc.constantFrom<DType>("float32", "int32");

export const onlyBool: fc.Arbitrary<DType> = fc.constant<DType>("bool");

/** Two shapes that broadcast. */
export const pairs: fc.Arbitrary<number[][]> = fc
  .record({
    shape: shapes,
    ones: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
    cut: fc.nat(2),
    side: fc.nat(2),
  })
  .map(({ shape, ones, cut, side }) => {
    const thin = (offset: number): number[] => shape.map((d, i) => (ones[i + offset] ? 1 : d));
    const [a, b] = [side === 1 ? shape : thin(0), side === 2 ? shape : thin(4)];
    return side === 1 ? [a, b.slice(Math.min(cut, b.length))] : [a.slice(Math.min(cut, a.length)), b];
  });

/** A shape and one of its axes, counted from the front or from the back. */
export const withAxis: fc.Arbitrary<{ shape: number[]; axis: number }> = fc
  .record({ shape: ranked, at: fc.nat(3), back: fc.boolean() })
  .map(({ shape, at, back }) => ({ shape, axis: (at % shape.length) - (back ? shape.length : 0) }));

/** The same, counted from the front. */
export const withFrontAxis: fc.Arbitrary<{ shape: number[]; axis: number }> = withAxis.map(({ shape, axis }) => ({
  shape,
  axis: axis < 0 ? axis + shape.length : axis,
}));

export const suite = (cases: fc.Arbitrary<Case>, differentiable = true): Suite => ({ cases, differentiable });
