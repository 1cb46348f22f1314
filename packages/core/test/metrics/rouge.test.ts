import { describe, expect, it } from "vitest";
import { type RougeKind, type RougeScore, rouge } from "../../src/index.js";
import { porterStem } from "../../src/metrics/porterStemmer.js";
import { cases, DIGITS, invalid } from "./fixtures.js";

interface Rouge {
  prediction: string;
  references: string[];
  stem: boolean;
  scores: Record<RougeKind, RougeScore>;
}

describe("ROUGE", () => {
  it("stems as NLTK does", () => {
    const wanted = cases<Record<string, string>>("stems");
    const made = Object.fromEntries(Object.keys(wanted).map((word) => [word, porterStem(word)]));
    expect(made).toEqual(wanted);
  });

  it.each(cases<Rouge[]>("rouge"))("is rouge_score's, stemmed $stem: $prediction", (one) => {
    for (const [kind, wanted] of Object.entries(one.scores) as [RougeKind, RougeScore][]) {
      const made = rouge(kind, one.prediction, one.references, { stem: one.stem });
      for (const part of ["precision", "recall", "f1"] as const) {
        expect(made[part], `${kind} ${part}`).toBeCloseTo(wanted[part], DIGITS);
      }
    }
  });

  it("refuses a text without a reference", () => {
    expect(() => rouge("rouge1", "x", [])).toThrow(invalid);
  });
});
