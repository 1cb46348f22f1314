import { describe, expect, it } from "vitest";
import { countDifferences, gradientErrors, relativeError, stepError } from "../../src/parity/error.js";

describe("parity errors", () => {
  it("divide the largest difference by the largest value of the reference", () => {
    expect(relativeError([1, -4.5, 2], [1, -5, 2])).toBeCloseTo(0.1, 12);
  });

  it("are zero for equal tensors, all-zero ones included", () => {
    expect(relativeError([0, 0], [0, 0])).toBe(0);
    expect(relativeError([0, 0.25], [0, 0])).toBe(0.25);
  });

  it("are infinite when a number is not finite, wherever it stands", () => {
    expect(relativeError([Number.NaN, 1], [0, 1])).toBe(Number.POSITIVE_INFINITY);
    expect(relativeError([1, Number.POSITIVE_INFINITY], [1, 1])).toBe(Number.POSITIVE_INFINITY);
  });

  it("refuse tensors of different sizes", () => {
    expect(() => relativeError([1], [1, 2])).toThrow("1 numbers against 2");
  });

  it("of steps see a step of the wrong length that a large parameter would hide", () => {
    const error = stepError({ start: [1000], end: [1000.5] }, { start: [1000], end: [1001] });
    expect(error).toBeCloseTo(0.5, 9);
    expect(relativeError([1000.5], [1001])).toBeLessThan(1e-3);
  });

  it("of gradients are taken against at least a thousandth of the step's largest gradient", () => {
    const expected = new Map([
      ["large", [10]],
      ["small", [1e-6]],
    ]);
    const actual = new Map([
      ["large", [10]],
      ["small", [2e-6]],
    ]);
    const errors = gradientErrors(actual, expected);
    expect(errors.get("large")).toBe(0);
    expect(errors.get("small")).toBeCloseTo(1e-6 / 0.01, 12);
  });

  it("of gradients name what is missing", () => {
    expect(() => gradientErrors(new Map([["a", [1]]]), new Map([["b", [1]]]))).toThrow("missing: [b], unexpected: [a]");
  });

  it("of exact rows count the differences", () => {
    expect(countDifferences([1, 2, 3], [1, 5, 4])).toBe(2);
  });
});
