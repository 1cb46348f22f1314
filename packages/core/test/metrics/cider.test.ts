import { describe, expect, it } from "vitest";
import { captionTokens, ciderD } from "../../src/index.js";
import { cases, invalid } from "./fixtures.js";

interface Cider {
  captions: [caption: string, references: string[]][];
  mean: number;
  scores: number[];
}

describe("CIDEr-D", () => {
  it.each(cases<Cider[]>("cider"))("is the COCO toolkit's", ({ captions, mean, scores }) => {
    const tokens = (text: string) => text.split(" ").filter((word) => word !== "");
    const made = ciderD(
      captions.map(([caption]) => tokens(caption)),
      captions.map(([, references]) => references.map(tokens)),
    );
    expect(made.mean).toBeCloseTo(mean, 10);
    for (const [i, score] of scores.entries()) expect(made.scores[i]).toBeCloseTo(score, 10);
  });

  it("has the specification's values", () => {
    const [{ captions }] = cases<[Cider]>("cider");
    const made = ciderD(
      captions.map(([caption]) => captionTokens(caption)),
      captions.map(([, references]) => references.map(captionTokens)),
    );
    const wanted = [3.003762, 3.193017, 4.014638];
    for (const [i, score] of wanted.entries()) expect(Math.abs(made.scores[i]! - score)).toBeLessThan(1e-6);
    expect(Math.abs(made.mean - 3.403806)).toBeLessThan(1e-6);
  });

  it("refuses pictures without a reference, and other numbers of captions than pictures", () => {
    expect(() => ciderD([["a"]], [[]])).toThrow(invalid);
    expect(() => ciderD([["a"]], [])).toThrow(invalid);
    expect(() => ciderD([], [])).toThrow(invalid);
  });

  it.each(cases<[caption: string, tokens: string[]][]>("captions"))(
    "takes of the caption %j NLTK's treebank tokens",
    (caption, tokens) => {
      expect(captionTokens(caption)).toEqual(tokens);
    },
  );

  it.each([
    ["A man’s “hat” – red…", "a man 's hat red"],
    ["'quoted' [words] {here}", "quoted words here"],
    ["  ", ""],
  ])("takes of the caption %j the tokens %j", (caption, tokens) => {
    expect(captionTokens(caption).join(" ")).toBe(tokens);
  });
});
