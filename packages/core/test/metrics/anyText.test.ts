import fc from "fast-check";
import { expect, it } from "vitest";
import { exactMatch, rouge, tokenF1, vqaAccuracy } from "../../src/index.js";

it("shares stay between 0 and 1 for any texts", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.array(fc.string(), { minLength: 1 }), (text, references) => {
      const scores = [tokenF1(text, references), exactMatch(text, references), vqaAccuracy(text, references)];
      for (const kind of ["rouge1", "rouge2", "rougeL"] as const) {
        scores.push(...Object.values(rouge(kind, text, references, { stem: true })));
      }
      for (const score of scores) expect(score >= 0 && score <= 1).toBe(true);
    }),
  );
});
