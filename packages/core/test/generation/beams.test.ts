import { describe, expect, it } from "vitest";
import { BeamSearch } from "../../src/generation/beams.js";
import type { Settings } from "../../src/generation/options.js";
import { logSoftmax } from "../../src/generation/scores.js";
import { hash, unit } from "../../src/random.js";

const settings = (fields: Partial<Settings>): Settings => ({
  startTokenId: 0,
  padTokenId: 0,
  eosTokenIds: [1],
  maxLength: 6,
  minLength: 0,
  doSample: false,
  temperature: 1,
  topK: 0,
  topP: 1,
  numBeams: 2,
  lengthPenalty: 1,
  earlyStopping: false,
  noRepeatNgramSize: 0,
  repetitionPenalty: 1,
  ...fields,
});

/** Log-probabilities that are a function of the tokens so far. */
function scoresOf(tokens: readonly number[], vocabulary: number): Float32Array {
  const scores = Float32Array.from({ length: vocabulary }, (_, id) => 4 * unit(hash(...tokens, id)));
  logSoftmax(scores);
  return scores;
}

function search(fields: Partial<Settings>, vocabulary: number): BeamSearch {
  const found = new BeamSearch(settings(fields));
  while (!found.isDone) found.step(found.running.map(({ tokens }) => scoresOf(tokens, vocabulary)));
  return found;
}

/** Every sequence up to a length, with its score. */
function* everySequence(
  vocabulary: number,
  { maxLength, lengthPenalty, eosTokenIds }: Settings,
  tokens: readonly number[] = [0],
  total = 0,
): Generator<{ tokens: readonly number[]; score: number }> {
  const isEnded = tokens.length > 1 && (tokens.length === maxLength || eosTokenIds.includes(tokens.at(-1)!));
  if (isEnded) yield { tokens, score: total / (tokens.length - 1) ** lengthPenalty };
  else {
    const scores = scoresOf(tokens, vocabulary);
    for (let id = 0; id < vocabulary; id++) {
      yield* everySequence(
        vocabulary,
        { maxLength, lengthPenalty, eosTokenIds } as Settings,
        [...tokens, id],
        total + scores[id]!,
      );
    }
  }
}

describe("beam search", () => {
  it.each([0, 0.5, 1, 2])(
    "with as many beams as there are sequences finds the best of all (length penalty %d)",
    (lengthPenalty) => {
      const fields = { maxLength: 5, lengthPenalty, numBeams: 4 ** 4, earlyStopping: "never" as const };
      const [best] = search(fields, 4).ended;
      const all = [...everySequence(4, settings(fields))].sort((a, b) => b.score - a.score);
      expect(best!.tokens).toEqual(all[0]!.tokens);
      expect(best!.score).toBeCloseTo(all[0]!.score, 5);
    },
  );

  it("with one beam takes the likeliest token at each place", () => {
    const [best] = search({ numBeams: 1, eosTokenIds: [], maxLength: 9 }, 12).ended;
    const tokens = [0];
    while (tokens.length < 9) {
      const scores = scoresOf(tokens, 12);
      tokens.push(scores.indexOf(Math.max(...scores)));
    }
    expect(best!.tokens).toEqual(tokens);
  });

  it("is done with as many ended sequences as beams where it stops early, and keeps the best first", () => {
    const found = search({ numBeams: 3, earlyStopping: true, maxLength: 30 }, 5);
    expect(found.ended).toHaveLength(3);
    const scores = found.ended.map(({ score }) => score);
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
    for (const { tokens } of found.ended) expect(tokens.at(-1)).toBe(1);
    const { ended } = found;
    found.step(found.running.map(({ tokens }) => scoresOf(tokens, 5)));
    expect(found.ended).toEqual(ended);
  });

  it("has an answer where the penalty makes every score less than that of no beam", () => {
    const fields = { numBeams: 3, lengthPenalty: -6, maxLength: 40, minLength: 40, eosTokenIds: [] };
    const { ended } = search(fields, 5);
    expect(ended).toHaveLength(3);
    expect(ended[0]!.tokens).toHaveLength(40);
    expect(ended[0]!.score).toBeLessThan(-1e9);
  });

  it("goes on from as many beams as it has where the vocabulary is smaller than they are", () => {
    const found = search({ numBeams: 5, maxLength: 4 }, 3);
    expect(found.running).toHaveLength(5);
    expect(found.ended[0]!.score).toBeGreaterThan(-10);
  });
});
