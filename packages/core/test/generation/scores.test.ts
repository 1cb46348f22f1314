import { describe, expect, it } from "vitest";
import type { Settings } from "../../src/generation/options.js";
import { sample } from "../../src/generation/sampling.js";
import { argmax, logSoftmax, processScores } from "../../src/generation/scores.js";
import { hash, unit } from "../../src/random.js";

const NEVER = Number.NEGATIVE_INFINITY;
const NEUTRAL: Settings = {
  startTokenId: 0,
  padTokenId: 0,
  eosTokenIds: [1],
  maxLength: 6,
  minLength: 0,
  doSample: true,
  temperature: 1,
  topK: 0,
  topP: 1,
  numBeams: 1,
  lengthPenalty: 1,
  earlyStopping: false,
  noRepeatNgramSize: 0,
  repetitionPenalty: 1,
};
const processed = (scores: number[], tokens: readonly number[], fields: Partial<Settings>): number[] => {
  const row = Float32Array.from(scores);
  processScores(row, tokens, { ...NEUTRAL, ...fields });
  return [...row];
};

describe("the scores of the next token", () => {
  it("stay as they are where no setting says otherwise", () => {
    expect(processed([1, 2, 3], [0, 2, 2, 2], {})).toEqual([1, 2, 3]);
  });

  it("lose what would repeat a run of tokens", () => {
    expect(processed([1, 1, 1, 1], [0, 2, 3, 0, 2], { noRepeatNgramSize: 3 })).toEqual([1, 1, 1, NEVER]);
    expect(processed([1, 1, 1, 1], [0, 2, 3, 0, 2], { noRepeatNgramSize: 1 })).toEqual([NEVER, 1, NEVER, NEVER]);
    expect(processed([1, 1, 1, 1], [0, 2], { noRepeatNgramSize: 3 })).toEqual([1, 1, 1, 1]);
  });

  it("are made smaller for tokens that are there, whichever their sign", () => {
    expect(processed([3, -1, 2], [0, 1, 1], { repetitionPenalty: 2 })).toEqual([1.5, -2, 2]);
  });

  it("do not end a sequence before its least length", () => {
    expect(processed([1, 2, 3], [0, 2], { minLength: 3 })).toEqual([1, NEVER, 3]);
    expect(processed([1, 2, 3], [0, 2, 2], { minLength: 3 })).toEqual([1, 2, 3]);
  });

  it("leave one token where it is forced: at the beginning, at the end", () => {
    const forced = { forcedBosTokenId: 2, forcedEosTokenId: 1 };
    expect(processed([1, 2, 3], [0], forced)).toEqual([NEVER, NEVER, 0]);
    expect(processed([1, 2, 3], [0, 2, 2, 2, 2], forced)).toEqual([NEVER, 0, NEVER]);
    expect(processed([1, 2, 3], [0, 2], forced)).toEqual([1, 2, 3]);
  });

  it("are logarithms of probabilities after the softmax, also where logits are large", () => {
    const row = Float32Array.of(1000, 1001, NEVER);
    logSoftmax(row);
    expect(row[0]).toBeCloseTo(-1.3132617, 6);
    expect(row[1]).toBeCloseTo(-0.3132617, 6);
    expect(row[2]).toBe(NEVER);
  });

  it("name the first of equal ones as the likeliest", () => {
    expect(argmax(Float32Array.of(1, 3, 3))).toBe(1);
  });
});

describe("a drawn token", () => {
  const scores = Float32Array.from([0.4, 0.3, 0.2, 0.1].map(Math.log));
  const shares = (fields: Partial<Settings>): number[] => {
    const counts = [0, 0, 0, 0];
    const draws = 40_000;
    for (let i = 0; i < draws; i++) counts[sample(scores, unit(hash(7, i)), { ...NEUTRAL, ...fields })]! += 1 / draws;
    return counts;
  };
  const expectShares = (found: number[], wanted: number[]): void => {
    // Four deviations of a share of 0.5 in 40,000 draws are 0.01.
    for (const [i, share] of wanted.entries()) expect(Math.abs(found[i]! - share)).toBeLessThan(0.01);
  };

  it("comes as often as its probability says", () => expectShares(shares({}), [0.4, 0.3, 0.2, 0.1]));
  it("is one of the k likeliest", () => expectShares(shares({ topK: 2 }), [4 / 7, 3 / 7, 0, 0]));
  it("is one of the likeliest that together reach p", () => {
    expectShares(shares({ topP: 0.65 }), [4 / 7, 3 / 7, 0, 0]);
    expectShares(shares({ topP: 0.75 }), [4 / 9, 3 / 9, 2 / 9, 0]);
  });
  it("comes by the square roots of the probabilities at temperature 2", () => {
    const roots = [0.4, 0.3, 0.2, 0.1].map(Math.sqrt);
    const total = roots.reduce((a, b) => a + b);
    expectShares(
      shares({ temperature: 2 }),
      roots.map((x) => x / total),
    );
  });
  it("applies the temperature before it looks for the likeliest that reach p, as transformers does", () => {
    // At temperature 0.1 the first has 0.95 of all.
    expectShares(shares({ temperature: 0.1, topP: 0.9 }), [1, 0, 0, 0]);
  });
  it("is one that is allowed, whatever the number drawn", () => {
    const banned = Float32Array.of(NEVER, 1, NEVER);
    for (const uniform of [0, 0.5, 1 - 2 ** -24]) expect(sample(banned, uniform, NEUTRAL)).toBe(1);
  });
});
