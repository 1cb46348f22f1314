import { describe, expect, it } from "vitest";
import { exactMatch, normalizeAnswer, tokenF1 } from "../../src/index.js";
import { cases, DIGITS, invalid } from "./fixtures.js";

interface Answer {
  prediction: string;
  answers: string[];
  normalized: string;
  exact: number;
  f1: number;
}

describe("SQuAD's scores", () => {
  it.each(cases<Answer[]>("answers"))("are the original's: $prediction", (one) => {
    expect(normalizeAnswer(one.prediction)).toBe(one.normalized);
    expect(exactMatch(one.prediction, one.answers)).toBe(one.exact);
    expect(tokenF1(one.prediction, one.answers)).toBeCloseTo(one.f1, DIGITS);
  });

  it("refuse a question without a right answer", () => {
    expect(() => exactMatch("x", [])).toThrow(invalid);
    expect(() => tokenF1("x", [])).toThrow(invalid);
  });
});
