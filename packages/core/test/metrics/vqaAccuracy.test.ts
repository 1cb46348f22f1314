import { describe, expect, it } from "vitest";
import { normalizeVqaAnswer, vqaAccuracy } from "../../src/index.js";
import { cases, DIGITS, invalid } from "./fixtures.js";

interface Vqa {
  answers: Record<string, string>;
  contractions: Record<string, string>;
  questions: { prediction: string; answers: string[]; score: number }[];
}

describe("VQA accuracy", () => {
  const { answers, contractions, questions } = cases<Vqa>("vqa");

  it.each(Object.entries(answers))("normalises %j to %j, as the official evaluation", (answer, wanted) => {
    expect(normalizeVqaAnswer(answer)).toBe(wanted);
  });

  it("has every contraction of the official table", () => {
    const made = Object.fromEntries(Object.keys(contractions).map((written) => [written, normalizeVqaAnswer(written)]));
    expect(made).toEqual(contractions);
  });

  it.each(questions)("is the specification's on the official normalisation: $prediction", (one) => {
    expect(vqaAccuracy(one.prediction, one.answers)).toBeCloseTo(one.score, DIGITS);
  });

  it("has the specification's values for seven nets, a netting, a mesh and the net", () => {
    const said = [...Array(7).fill("net"), "netting", "mesh", "the net"];
    expect(vqaAccuracy("net", said)).toBe(1);
    expect(vqaAccuracy("mesh", said)).toBeCloseTo(0.3, 12);
    expect(() => vqaAccuracy("x", [])).toThrow(invalid);
  });
});
