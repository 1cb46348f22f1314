import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ownerMap, type SplitMode } from "../src/index.js";

const counts = (owners: ArrayLike<number>, n: number): number[] =>
  Array.from({ length: n }, (_, e) => Array.from(owners).filter((owner) => owner === e).length);

describe("the split", () => {
  it("gives each of 4 experts exactly 12,288 of the 768 x 64 entries (§8.1)", () => {
    const owner = ownerMap([768, 64], { numExperts: 4, mode: "all", seed: 0, name: "up.owner" });
    expect(counts(owner, 4)).toEqual([12288, 12288, 12288, 12288]);
  });

  it("covers any weight, with shares that differ by one entry at most, over all or inside each row or column (§8.1)", () => {
    const sizes = fc.record({
      rows: fc.integer({ min: 1, max: 12 }),
      columns: fc.integer({ min: 1, max: 12 }),
      numExperts: fc.integer({ min: 1, max: 9 }),
      mode: fc.constantFrom<SplitMode>("all", "row", "column"),
      seed: fc.integer(),
    });
    fc.assert(
      fc.property(sizes, ({ rows, columns, ...options }) => {
        const owner = ownerMap([rows, columns], { ...options, name: "owner" });
        const row = (i: number): number[] => Array.from(owner.subarray(i * columns, (i + 1) * columns));
        const column = (j: number): number[] => Array.from({ length: rows }, (_, i) => owner[i * columns + j]!);
        const lines =
          options.mode === "all"
            ? [Array.from(owner)]
            : options.mode === "row"
              ? Array.from({ length: rows }, (_, i) => row(i))
              : Array.from({ length: columns }, (_, j) => column(j));
        for (const line of lines) {
          const shares = counts(line, options.numExperts);
          expect(shares.reduce((a, b) => a + b)).toBe(line.length);
          expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it("is the same for the same seed and tensor, and unlike another's: they agree in about 1/N of the entries (§8.1)", () => {
    const map = (seed: number, name: string): Int32Array =>
      ownerMap([768, 64], { numExperts: 4, mode: "all", seed, name });
    const first = map(3407, "layer.0.up.owner");
    expect(map(3407, "layer.0.up.owner")).toEqual(first);
    for (const other of [map(3407, "layer.1.up.owner"), map(3408, "layer.0.up.owner")]) {
      const agreement = other.filter((owner, j) => owner === first[j]).length / first.length;
      expect(agreement).toBeGreaterThan(0.24);
      expect(agreement).toBeLessThan(0.26);
    }
  });

  it("keeps its numbers: runs of older versions are repeated", () => {
    const owner = ownerMap([3, 4], { numExperts: 3, mode: "all", seed: 1, name: "up.owner" });
    expect(owner.join("")).toMatchInlineSnapshot(`"201102112020"`);
  });
});
