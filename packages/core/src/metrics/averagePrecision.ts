// Average precision of ranked examples, and its mean over classes, as scikit-learn's `average_precision_score` computes it.

import { PeftError } from "../errors.js";
import { checkPairs, mean } from "./classification.js";

/**
 * The sum over the thresholds of precision times the gain in recall; examples of one score are passed together. 0 where no
 * example is positive.
 *
 * @param scores the higher, the more likely; any scale
 * @param labels 1 of a positive example, 0 of another
 * @throws PeftError ARGUMENT_INVALID for none, unequally many, another label, or a score that is NaN
 */
export function averagePrecision(scores: ArrayLike<number>, labels: ArrayLike<number>): number {
  const order = fromHighest(scores, labels);
  let [sum, found] = [0, 0];
  for (let passed = 0; passed < order.length; ) {
    const score = scores[order[passed]!];
    const before = found;
    for (; passed < order.length && scores[order[passed]!] === score; passed++) found += labels[order[passed]!]!;
    sum += (found - before) * (found / passed);
  }
  return found === 0 ? 0 : sum / found;
}

/**
 * The mean of the classes' average precisions, each over all examples (`average="macro"`).
 *
 * @param scores [examples, classes], row-major
 * @param labels [examples, classes], 1 or 0; an example may be of several classes
 * @throws PeftError ARGUMENT_INVALID as `averagePrecision`, and for rows that are not whole
 */
export function meanAveragePrecision(scores: ArrayLike<number>, labels: ArrayLike<number>, classes: number): number {
  checkPairs(scores.length, labels.length, 1);
  const examples = scores.length / classes;
  if (!(Number.isInteger(classes) && classes > 0 && Number.isInteger(examples))) {
    throw new PeftError("ARGUMENT_INVALID", `${scores.length} scores are no rows of ${classes} classes`);
  }
  const column = (table: ArrayLike<number>, one: number) =>
    Float64Array.from({ length: examples }, (_, i) => table[i * classes + one]!);
  return mean(Array.from({ length: classes }, (_, one) => averagePrecision(column(scores, one), column(labels, one))));
}

/**
 * The numbers of the examples, that of the highest score first.
 *
 * @throws PeftError ARGUMENT_INVALID for none, unequally many, a label beside 0 and 1, or a score that is NaN
 */
export function fromHighest(scores: ArrayLike<number>, labels: ArrayLike<number>): number[] {
  checkPairs(scores.length, labels.length, 1);
  const order = Array.from({ length: scores.length }, (_, i) => i).sort((i, j) => scores[j]! - scores[i]!);
  for (const i of order) {
    if (Number.isNaN(scores[i]) || (labels[i] !== 0 && labels[i] !== 1)) {
      throw new PeftError("ARGUMENT_INVALID", `score ${scores[i]} with label ${labels[i]}`, { place: `example ${i}` });
    }
  }
  return order;
}
