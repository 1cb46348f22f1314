import { describe, expect, it } from "vitest";
import { averagePrecision, meanAveragePrecision } from "../../src/index.js";
import { cases, DIGITS, invalid } from "./fixtures.js";

interface Precision {
  name: string;
  scores: number[];
  labels: number[];
  each: number[];
  mean: number;
}

describe("average precision", () => {
  it.each(cases<Precision[]>("precisions"))("is scikit-learn's: $name", ({ scores, labels, each, mean }) => {
    expect(meanAveragePrecision(scores, labels, 4)).toBeCloseTo(mean, DIGITS);
    for (const [i, wanted] of each.entries()) {
      const column = (table: number[]) => table.filter((_, j) => j % 4 === i);
      expect(averagePrecision(column(scores), column(labels))).toBeCloseTo(wanted, DIGITS);
    }
  });

  it("is 0 without a positive example, and refuses broken rows, other labels and NaN", () => {
    expect(averagePrecision([0.5, 0.1], [0, 0])).toBe(0);
    expect(() => meanAveragePrecision([1, 2, 3], [0, 1, 0], 2)).toThrow(invalid);
    expect(() => averagePrecision([1, 2], [0, 2])).toThrow(invalid);
    expect(() => averagePrecision([1, Number.NaN], [0, 1])).toThrow(invalid);
    expect(() => averagePrecision([], [])).toThrow(invalid);
  });
});
