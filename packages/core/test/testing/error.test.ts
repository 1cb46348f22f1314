import { describe, expect, it } from "vitest";
import {
  changeError,
  countDifferences,
  expectClose,
  gradientFloor,
  relativeError,
  tensorErrors,
} from "../../src/testing/index.js";

describe("errors", () => {
  it("divide the largest difference by the largest value of the reference", () => {
    expect(relativeError([1, -4.5, 2], [1, -5, 2])).toBeCloseTo(0.1, 12);
  });

  it("are zero for equal tensors, all-zero ones included, and infinite for what should be zero and is not", () => {
    expect(relativeError([0, 0], [0, 0])).toBe(0);
    expect(relativeError([0, 1e-9], [0, 0])).toBe(Number.POSITIVE_INFINITY);
    expect(relativeError([0, 1e-9], [0, 0], 1)).toBe(1e-9);
  });

  it("are infinite when a number is not finite, wherever it stands, and for tensors of different sizes", () => {
    expect(relativeError([Number.NaN, 1], [0, 1])).toBe(Number.POSITIVE_INFINITY);
    expect(relativeError([1, Number.POSITIVE_INFINITY], [1, 1])).toBe(Number.POSITIVE_INFINITY);
    expect(relativeError([1], [1, 2])).toBe(Number.POSITIVE_INFINITY);
    expect(changeError([1], [1, 2], [1, 2])).toBe(Number.POSITIVE_INFINITY);
  });

  it("of changes see a step of the wrong length that a large parameter would hide", () => {
    expect(changeError([1000], [1000.5], [1])).toBeCloseTo(0.5, 9);
    expect(relativeError([1000.5], [1001])).toBeLessThan(1e-3);
  });

  it("of gradients are taken against at least a thousandth of the step's largest gradient", () => {
    const floor = gradientFloor([[-10, 3], [1e-6]]);
    expect(floor).toBeCloseTo(0.01, 12);
    expect(relativeError([2e-6], [1e-6], floor)).toBeCloseTo(1e-4, 12);
    expect(relativeError([11, 3], [10, 3], floor)).toBeCloseTo(0.1, 12);
  });

  it("by name are infinite for a tensor that is not there", () => {
    const reference = new Map([
      ["a", [1]],
      ["b", [2]],
    ]);
    expect(tensorErrors(new Map([["b", [1]]]), reference)).toEqual([
      { name: "a", error: Number.POSITIVE_INFINITY },
      { name: "b", error: 0.5 },
    ]);
  });

  it("beyond a bound are thrown with the tensors' names", () => {
    const reference = new Map([
      ["a", [1]],
      ["b", [2]],
    ]);
    const actual = new Map([
      ["a", [1]],
      ["b", [3]],
    ]);
    expect(() => expectClose(actual, reference, 0.1)).toThrow("1 of 2 tensors miss the bound of 0.1:\n  b: 5.00e-1");
  });

  it("of what must be exact count the differences", () => {
    expect(countDifferences([1, 2, 3], [1, 5, 4])).toBe(2);
    expect(countDifferences([1, 2, 3], [1])).toBe(2);
  });
});
