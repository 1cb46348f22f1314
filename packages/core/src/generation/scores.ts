// What changes the scores of the next token, in the order and with the meaning of transformers' processors.

import type { Settings } from "./options.js";

/**
 * Applies the settings that hold for every way of choosing.
 *
 * @param scores of one row: logits, or log-probabilities for beams; changed
 * @param tokens of the row so far, the start token first
 */
export function processScores(scores: Float32Array, tokens: readonly number[], settings: Settings): void {
  penalise(scores, tokens, settings.repetitionPenalty);
  banNgrams(scores, tokens, settings.noRepeatNgramSize);
  if (tokens.length < settings.minLength) for (const id of settings.eosTokenIds) scores[id] = Number.NEGATIVE_INFINITY;
  if (settings.forcedBosTokenId !== undefined && tokens.length === 1) force(scores, settings.forcedBosTokenId);
  if (settings.forcedEosTokenId !== undefined && tokens.length === settings.maxLength - 1) {
    force(scores, settings.forcedEosTokenId);
  }
}

/** Keskar et al. 2019, CTRL */
function penalise(scores: Float32Array, tokens: readonly number[], penalty: number): void {
  if (penalty === 1) return;
  for (const id of new Set(tokens)) scores[id] = scores[id]! < 0 ? scores[id]! * penalty : scores[id]! / penalty;
}

/** No token that would end a run of `size` tokens which is there already. */
function banNgrams(scores: Float32Array, tokens: readonly number[], size: number): void {
  if (size === 0 || tokens.length < size) return;
  const last = tokens.length - size + 1;
  for (let from = 0; from < last; from++) {
    let k = 0;
    while (k < size - 1 && tokens[from + k] === tokens[last + k]) k++;
    if (k === size - 1) scores[tokens[from + k]!] = Number.NEGATIVE_INFINITY;
  }
}

function force(scores: Float32Array, id: number): void {
  scores.fill(Number.NEGATIVE_INFINITY);
  scores[id] = 0;
}

/** log(softmax(logits)) in place, rounded as float32 arithmetic rounds it. */
export function logSoftmax(logits: Float32Array): void {
  const largest = logits[argmax(logits)]!;
  let total = 0;
  for (const x of logits) total += Math.exp(x - largest);
  const rest = Math.fround(Math.log(total));
  for (let i = 0; i < logits.length; i++) logits[i] = Math.fround(logits[i]! - largest) - rest;
}

/** The place of the largest, the first of several. */
export function argmax(scores: Float32Array): number {
  let best = 0;
  for (let i = 1; i < scores.length; i++) if (scores[i]! > scores[best]!) best = i;
  return best;
}
