// SQuAD's scores of an answer against one or more right ones (Rajpurkar et al. 2016 and 2018, their evaluation scripts).

import { PeftError } from "../errors.js";
import { words } from "./pythonText.js";

/** ASCII's punctuation. */
const PUNCTUATION = /[!-/:-@[-`{-~]/g;
/** As whole words, between what Python counts as letters. */
const ARTICLES = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;

/** Without capitals, punctuation, articles and surplus blanks. */
export function normalizeAnswer(answer: string): string {
  return normalizedWords(answer).join(" ");
}

/**
 * 1 where the normalised prediction equals one of the right answers, else 0.
 *
 * @throws PeftError ARGUMENT_INVALID without a right answer; of a question that has none, it is ""
 */
export function exactMatch(prediction: string, answers: readonly string[]): number {
  const wanted = normalizeAnswer(prediction);
  return best(answers, (answer) => (normalizeAnswer(answer) === wanted ? 1 : 0));
}

/**
 * F1 of the normalised words that prediction and answer share, the largest over the right answers. Where either has no
 * word, 1 if neither has, else 0.
 *
 * @throws PeftError ARGUMENT_INVALID without a right answer; of a question that has none, it is ""
 */
export function tokenF1(prediction: string, answers: readonly string[]): number {
  const predicted = normalizedWords(prediction);
  return best(answers, (answer) => overlap(predicted, normalizedWords(answer)));
}

function normalizedWords(answer: string): string[] {
  return words(answer.toLowerCase().replace(PUNCTUATION, "").replace(ARTICLES, " "));
}

function overlap(predicted: readonly string[], right: readonly string[]): number {
  if (predicted.length === 0 || right.length === 0) return predicted.length === right.length ? 1 : 0;
  const left = new Map<string, number>();
  for (const word of right) left.set(word, (left.get(word) ?? 0) + 1);
  let shared = 0;
  for (const word of predicted) {
    const count = left.get(word) ?? 0;
    if (count === 0) continue;
    left.set(word, count - 1);
    shared++;
  }
  return (2 * shared) / (predicted.length + right.length);
}

function best(answers: readonly string[], score: (answer: string) => number): number {
  if (answers.length > 0) return Math.max(...answers.map(score));
  throw new PeftError("ARGUMENT_INVALID", "there is no right answer", {
    hint: 'the answer of a question that has none is ""',
  });
}
