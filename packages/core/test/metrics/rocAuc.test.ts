import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rocAucScore } from "../../src/index.js";
import { cases, DIGITS, invalid } from "./fixtures.js";

interface Area {
  name: string;
  scores: number[];
  labels: number[];
  area: number;
}

describe("the area under the ROC curve", () => {
  it.each(cases<Area[]>("areas"))("is scikit-learn's: $name", ({ scores, labels, area }) => {
    expect(rocAucScore(scores, labels)).toBeCloseTo(area, DIGITS);
  });

  it("is the share of pairs in the right order, equal scores counting half", () => {
    const example = fc.record({ score: fc.integer({ min: 0, max: 6 }), label: fc.constantFrom(0, 1) });
    const both = fc.array(example, { minLength: 2, maxLength: 20 }).filter((all) => {
      return new Set(all.map(({ label }) => label)).size === 2;
    });
    fc.assert(
      fc.property(both, (examples) => {
        const of = (wanted: number) => examples.filter(({ label }) => label === wanted).map(({ score }) => score);
        const pairs = of(1).flatMap((one) => of(0).map((other) => (Math.sign(one - other) + 1) / 2));
        const share = pairs.reduce((sum, won) => sum + won, 0) / pairs.length;
        const [scores, labels] = [examples.map(({ score }) => score), examples.map(({ label }) => label)];
        expect(rocAucScore(scores, labels)).toBeCloseTo(share, DIGITS);
      }),
    );
  });

  it("is refused where one class is absent, as for broken rows, other labels and NaN", () => {
    for (const labels of [
      [0, 0],
      [1, 1],
      [0, 2],
    ])
      expect(() => rocAucScore([1, 2], labels)).toThrow(invalid);
    expect(() => rocAucScore([1, Number.NaN], [0, 1])).toThrow(invalid);
    expect(() => rocAucScore([1], [0, 1])).toThrow(invalid);
    expect(() => rocAucScore([], [])).toThrow(invalid);
  });
});
