import { describe, expect, it } from "vitest";
import { accuracyScore, type F1Average, f1Score, matthewsCorrelation } from "../../src/index.js";
import { cases, DIGITS, invalid } from "./fixtures.js";

interface Classes {
  name: string;
  predictions: number[];
  labels: number[];
  accuracy: number;
  micro: number;
  macro: number;
  binary: number | null;
  matthews: number;
}

describe("scores of class numbers", () => {
  it.each(cases<Classes[]>("classes"))("are scikit-learn's: $name", (one) => {
    const { predictions, labels } = one;
    expect(accuracyScore(predictions, labels)).toBeCloseTo(one.accuracy, DIGITS);
    expect(f1Score(predictions, labels, "micro")).toBeCloseTo(one.micro, DIGITS);
    expect(f1Score(predictions, labels, "macro")).toBeCloseTo(one.macro, DIGITS);
    if (one.binary !== null) expect(f1Score(predictions, labels, "binary")).toBeCloseTo(one.binary, DIGITS);
    expect(matthewsCorrelation(predictions, labels)).toBeCloseTo(one.matthews, DIGITS);
  });

  it("give the predictor that finds every pair of MRPC equal 81.2, and a constant one no correlation", () => {
    const labels = Uint8Array.from({ length: 408 }, (_, i) => (i < 279 ? 1 : 0));
    const ones = labels.map(() => 1);
    expect(100 * f1Score(ones, labels, "binary")).toBeCloseTo(81.2, 1);
    expect(100 * f1Score(ones, labels, "macro")).toBeCloseTo(40.6, 1);
    expect(matthewsCorrelation(ones, labels)).toBe(0);
  });

  it("refuse nothing, unequal lengths, and a third class in a binary F1", () => {
    for (const average of ["micro", "macro", "binary"] satisfies F1Average[]) {
      expect(() => f1Score([], [], average)).toThrow(invalid);
      expect(() => f1Score([1], [1, 0], average)).toThrow(invalid);
    }
    expect(() => f1Score([1, 2], [1, 0], "binary")).toThrow(invalid);
    expect(() => accuracyScore([], [])).toThrow(invalid);
    expect(() => matthewsCorrelation([1], [])).toThrow(invalid);
  });
});
