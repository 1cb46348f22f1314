import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { svdOfMatrix, svdOfProduct, type ThinSvd, thinSvd } from "../../src/adapters/svd.js";
import { pruneAtRandom, pruneByMagnitude } from "../../src/adapters/taskVectors.js";
import { goldenArray } from "../../src/testing/index.js";

const shapes = fc.record({
  rows: fc.integer({ min: 1, max: 9 }),
  columns: fc.integer({ min: 1, max: 9 }),
  seed: fc.integer({ min: 1, max: 1e6 }),
});
const columnsOf = (rows: number, columns: number, seed: number): Float64Array[] =>
  Array.from({ length: columns }, (_, j) => Float64Array.from(goldenArray(seed + j, rows, 1)));

/** The largest entry of M - sum of s u v^T. */
function rest({ u, s, v }: ThinSvd, rows: number, columns: number, at: (i: number, j: number) => number): number {
  let worst = 0;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const sum = s.reduce((total, value, k) => total + value * u[k]![i]! * v[k]![j]!, 0);
      worst = Math.max(worst, Math.abs(sum - at(i, j)));
    }
  }
  return worst;
}

describe("the singular value decomposition", () => {
  it("gives the matrix again, with orthonormal vectors and the largest value first", () => {
    fc.assert(
      fc.property(shapes, ({ rows, columns, seed }) => {
        const matrix = columnsOf(rows, columns, seed);
        const svd = thinSvd(matrix);
        expect(rest(svd, rows, columns, (i, j) => matrix[j]![i]!)).toBeLessThan(1e-13);
        for (const [k, s] of svd.s.entries()) if (k > 0) expect(s).toBeLessThanOrEqual(svd.s[k - 1]!);
        for (const [p, x] of svd.v.entries()) {
          for (const [q, y] of svd.v.entries()) {
            const dot = x.reduce((sum, a, i) => sum + a * y[i]!, 0);
            expect(Math.abs(dot - Number(p === q))).toBeLessThan(1e-13);
          }
        }
      }),
    );
  });

  it("of a product of narrow factors, and of a matrix by its rows, is that of the whole", () => {
    fc.assert(
      fc.property(shapes, fc.integer({ min: 1, max: 12 }), ({ rows, columns, seed }, r) => {
        const [b, a] = [columnsOf(rows, r, seed), columnsOf(columns, r, seed + 50)];
        const at = (i: number, j: number) => b.reduce((sum, column, k) => sum + column[i]! * a[k]![j]!, 0);
        expect(rest(svdOfProduct(b, a), rows, columns, at)).toBeLessThan(1e-12);
        const whole = Float64Array.from({ length: rows * columns }, (_, n) => at(Math.floor(n / columns), n % columns));
        const svd = svdOfMatrix(whole, rows, columns);
        expect(rest(svd, rows, columns, at)).toBeLessThan(1e-12);
        const other = svdOfProduct(b, a).s;
        for (const [k, s] of svd.s.entries()) expect(Math.abs(s - (other[k] ?? 0))).toBeLessThan(1e-12);
      }),
    );
  });
});

describe("pruning", () => {
  it("by magnitude leaves the wished number of entries, the largest", () => {
    expect([...Float64Array.from(pruneByMagnitude([1, -5, 2, -3, 4], 0.5))]).toEqual([0, -5, 0, 0, 4]);
    expect([...Float64Array.from(pruneByMagnitude([1, -5], 1))]).toEqual([1, -5]);
  });

  it("at random leaves the wished share, larger by as much", () => {
    const ones = new Float32Array(10_000).fill(1);
    const pruned = Float64Array.from(pruneAtRandom(ones, 0.25, 3, "site"));
    expect(new Set(pruned)).toEqual(new Set([0, 4]));
    const mean = pruned.reduce((sum, x) => sum + x, 0) / pruned.length;
    // Three standard deviations of the mean of 10,000 draws.
    expect(Math.abs(mean - 1)).toBeLessThan((3 * Math.sqrt(0.25 * 0.75) * 4) / 100);
  });
});
