// Shape rules shared by the kernels.

import { PeftError } from "../../errors.js";

/** The shape of an elementwise operation over two operands, by NumPy's rules. */
export function broadcast(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const m = a[a.length - rank + i] ?? 1;
    const n = b[b.length - rank + i] ?? 1;
    if (m !== n && m !== 1 && n !== 1) {
      throw new PeftError("SHAPE_MISMATCH", `shapes [${a}] and [${b}] do not broadcast`);
    }
    return m === 1 ? n : m;
  });
}

/** Axes as a sorted list of non-negative numbers; undefined and null mean all. */
export function axesOf(axis: unknown, rank: number): number[] {
  if (axis === undefined || axis === null) return Array.from({ length: rank }, (_, i) => i);
  const list = Array.isArray(axis) ? (axis as number[]) : [axis as number];
  return list.map((a) => (a < 0 ? a + rank : a)).sort((a, b) => a - b);
}

/** An axis as a non-negative number. */
export function axisOf(axis: unknown, rank: number): number {
  return (axis as number) < 0 ? (axis as number) + rank : (axis as number);
}

export function reduced(shape: readonly number[], axes: readonly number[], keepDims: boolean): number[] {
  if (keepDims) return shape.map((d, i) => (axes.includes(i) ? 1 : d));
  return shape.filter((_, i) => !axes.includes(i));
}
