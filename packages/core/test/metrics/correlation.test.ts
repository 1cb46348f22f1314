import { describe, expect, it } from "vitest";
import { pearsonCorrelation, spearmanCorrelation } from "../../src/index.js";
import { cases, DIGITS, invalid } from "./fixtures.js";

interface Correlation {
  name: string;
  x: number[];
  y: number[];
  pearson: number;
  spearman: number;
}

describe("correlations", () => {
  it.each(cases<Correlation[]>("correlations"))("are SciPy's: $name", ({ x, y, pearson, spearman }) => {
    expect(pearsonCorrelation(x, y)).toBeCloseTo(pearson, 10);
    expect(spearmanCorrelation(x, y)).toBeCloseTo(spearman, DIGITS);
  });

  it("are NaN of a constant row and of one with a NaN, and refuse fewer than two", () => {
    for (const correlation of [pearsonCorrelation, spearmanCorrelation]) {
      expect(correlation([1, 1, 1], [1, 2, 3])).toBeNaN();
      expect(correlation([1, Number.NaN, 2], [1, 2, 3])).toBeNaN();
      expect(() => correlation([1], [1])).toThrow(invalid);
      expect(() => correlation([1, 2], [1])).toThrow(invalid);
    }
  });
});
