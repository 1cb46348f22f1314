// Scores of class numbers, as scikit-learn computes them.

import { PeftError } from "../errors.js";

/** Predicted and true class numbers, one of each an example. */
export interface Confusion {
  /** Examples whose predicted class is the true one. */
  readonly right: number;
  readonly examples: number;
  /** By class: examples of it that were found, were predicted, and are there. */
  readonly counts: ReadonlyMap<number, ClassCounts>;
}

export interface ClassCounts {
  readonly found: number;
  readonly predicted: number;
  readonly present: number;
}

/** How F1 is averaged: over all decisions, over the classes that occur or are predicted, or of class 1 alone. */
export type F1Average = "micro" | "macro" | "binary";

/**
 * The share of predictions that are right (`accuracy_score`).
 *
 * @throws PeftError ARGUMENT_INVALID for none, or as many predictions as labels
 */
export function accuracyScore(predictions: ArrayLike<number>, labels: ArrayLike<number>): number {
  const { right, examples } = confusionOf(predictions, labels);
  return right / examples;
}

/**
 * F1 = 2 TP / (2 TP + FP + FN) (`f1_score`); 0 where there is nothing to find and nothing was predicted. With one class an
 * example, the micro average is the accuracy.
 *
 * @throws PeftError ARGUMENT_INVALID for none or unequally many, and for classes beside 0 and 1 in a binary score
 */
export function f1Score(predictions: ArrayLike<number>, labels: ArrayLike<number>, average: F1Average): number {
  const { right, examples, counts } = confusionOf(predictions, labels);
  if (average === "micro") return right / examples;
  if (average === "macro") return mean([...counts.values()].map(f1Of));
  const other = [...counts.keys()].find((name) => name !== 0 && name !== 1);
  if (other !== undefined) {
    throw new PeftError("ARGUMENT_INVALID", `a binary F1 has the classes 0 and 1, and got ${other}`, {
      hint: 'average "macro" or "micro"',
    });
  }
  return f1Of(counts.get(1) ?? { found: 0, predicted: 0, present: 0 });
}

/** F1 of one class. */
export function f1Of({ found, predicted, present }: ClassCounts): number {
  return predicted + present === 0 ? 0 : (2 * found) / (predicted + present);
}

/**
 * Matthews's correlation of predictions and labels, of any number of classes (`matthews_corrcoef`); 0 where either is
 * constant.
 *
 * @throws PeftError ARGUMENT_INVALID for none, or unequally many
 */
export function matthewsCorrelation(predictions: ArrayLike<number>, labels: ArrayLike<number>): number {
  return matthewsOf(confusionOf(predictions, labels));
}

/** Matthews's correlation of counted decisions (Gorodkin 2004, its R_K). */
export function matthewsOf({ right, examples, counts }: Confusion): number {
  let [both, predictedSquares, presentSquares] = [0, 0, 0];
  for (const { predicted, present } of counts.values()) {
    both += predicted * present;
    predictedSquares += predicted * predicted;
    presentSquares += present * present;
  }
  const spread = (examples * examples - predictedSquares) * (examples * examples - presentSquares);
  return spread === 0 ? 0 : (right * examples - both) / Math.sqrt(spread);
}

function confusionOf(predictions: ArrayLike<number>, labels: ArrayLike<number>): Confusion {
  checkPairs(predictions.length, labels.length, 1);
  const counts = new Map<number, { found: number; predicted: number; present: number }>();
  const countsOf = (name: number) => {
    const known = counts.get(name) ?? { found: 0, predicted: 0, present: 0 };
    counts.set(name, known);
    return known;
  };
  let right = 0;
  for (let i = 0; i < labels.length; i++) {
    const [predicted, label] = [predictions[i]!, labels[i]!];
    countsOf(predicted).predicted++;
    countsOf(label).present++;
    if (predicted !== label) continue;
    countsOf(label).found++;
    right++;
  }
  return { right, examples: labels.length, counts };
}

/** @throws PeftError ARGUMENT_INVALID for fewer than `least`, or unequally many */
export function checkPairs(predictions: number, references: number, least: number): void {
  if (predictions === references && references >= least) return;
  const message = `${predictions} predictions and ${references} references`;
  throw new PeftError("ARGUMENT_INVALID", message, { hint: `as many of both, and at least ${least}` });
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
