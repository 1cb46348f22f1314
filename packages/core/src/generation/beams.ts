// Beam search over one sample, as transformers has it since 4.50: of all continuations the best are looked at, ended ones
// among the first `numBeams` are kept by their score over length^penalty, and the best others go on.

import type { Settings } from "./options.js";

export interface Beam {
  /** The start token first. */
  readonly tokens: readonly number[];
  /** The sum of log-probabilities; of an ended sequence, over its length to the power of the penalty. */
  readonly score: number;
}

/** The score of a beam that is not there, which a sequence that is there always beats. */
const ABSENT = -1e9;

interface Candidate {
  readonly beam: number;
  readonly token: number;
  readonly score: number;
}

export class BeamSearch {
  /** Those that go on, the best first; always `numBeams`. */
  running: readonly Beam[];
  /** The beam of the step before that each of `running` goes on from. */
  order: readonly number[];
  /** Ended ones, the best first; at most `numBeams`. */
  ended: readonly Beam[] = [];
  readonly #settings: Settings;
  #canImprove = true;
  #isAtEnd = false;

  constructor(settings: Settings) {
    this.#settings = settings;
    // Only the first counts at the first step: all would give the same.
    this.running = Array.from({ length: settings.numBeams }, (_, i) => ({
      tokens: [settings.startTokenId],
      score: i === 0 ? 0 : ABSENT,
    }));
    this.order = this.running.map((_, i) => i);
  }

  /** Whether `ended` will stay as it is. */
  get isDone(): boolean {
    const { earlyStopping, numBeams } = this.#settings;
    return this.#isAtEnd || !this.#canImprove || (earlyStopping === true && this.ended.length === numBeams);
  }

  /** One step. @param scores the processed log-probabilities of each running beam */
  step(scores: readonly Float32Array[]): void {
    const { numBeams, eosTokenIds, maxLength, lengthPenalty } = this.#settings;
    const length = this.running[0]!.tokens.length + 1;
    const candidates = this.#best(scores, Math.max(2, 1 + eosTokenIds.length) * numBeams);
    const ends = ({ token }: Candidate): boolean => length >= maxLength || eosTokenIds.includes(token);
    const tokensOf = ({ beam, token }: Candidate): number[] => [...this.running[beam]!.tokens, token];

    // A start token is no part of the length.
    const norm = (length - 1) ** lengthPenalty;
    const justEnded = this.isDone ? [] : candidates.slice(0, numBeams).filter(ends);
    const kept = justEnded.map((one) => ({ tokens: tokensOf(one), score: Math.fround(one.score / norm) }));
    const ended = [...this.ended, ...kept].sort((a, b) => b.score - a.score).slice(0, numBeams);

    const open = candidates.filter((one) => !ends(one)).slice(0, numBeams);
    this.#isAtEnd = open.length === 0;
    // There are fewer only where the vocabulary is, or at the end.
    while (open.length < numBeams) open.push({ ...candidates[0]!, score: ABSENT });
    this.order = open.map(({ beam }) => beam);
    this.running = open.map((one) => ({ tokens: tokensOf(one), score: one.score }));
    this.ended = ended;
    // Where none has ended, transformers would give up on scores below that of an absent beam, and have no answer.
    this.#canImprove &&=
      ended.length === 0 || this.#hope() > (ended.length === numBeams ? ended.at(-1)!.score : ABSENT);
  }

  /** What the best of those that go on could come to, as transformers guesses it. */
  #hope(): number {
    const { earlyStopping, lengthPenalty, maxLength } = this.#settings;
    const [{ tokens, score }] = this.running as [Beam];
    const length = earlyStopping === "never" && lengthPenalty > 0 ? maxLength : tokens.length;
    return score / (length - 1) ** lengthPenalty;
  }

  /** The best continuations of all beams, the first of equal ones first. */
  #best(scores: readonly Float32Array[], count: number): Candidate[] {
    const found: Candidate[] = [];
    for (const [beam, row] of scores.entries()) {
      const before = this.running[beam]!.score;
      for (let token = 0; token < row.length; token++) {
        const score = Math.fround(before + row[token]!);
        if (found.length === count && !(score > found[count - 1]!.score)) continue;
        let at = found.length;
        while (at > 0 && score > found[at - 1]!.score) at--;
        found.splice(at, 0, { beam, token, score });
        if (found.length > count) found.pop();
      }
    }
    return found;
  }
}
