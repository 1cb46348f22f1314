// The area under the ROC curve of two classes, as scikit-learn's `roc_auc_score` computes it.

import { PeftError } from "../errors.js";
import { fromHighest } from "./averagePrecision.js";

/**
 * The share of pairs of a positive and another example in which the positive one has the higher score; a pair of equal
 * scores counts half.
 *
 * @param scores the higher, the more likely; any scale
 * @param labels 1 of a positive example, 0 of another
 * @throws PeftError ARGUMENT_INVALID for none, unequally many, another label, a score that is NaN, or where all examples are
 *   positive or none is: the area is then undefined
 */
export function rocAucScore(scores: ArrayLike<number>, labels: ArrayLike<number>): number {
  const order = fromHighest(scores, labels);
  let [won, positive, passed] = [0, 0, 0];
  while (passed < order.length) {
    const score = scores[order[passed]!];
    const [before, first] = [positive, passed];
    for (; passed < order.length && scores[order[passed]!] === score; passed++) positive += labels[order[passed]!]!;
    const others = passed - first - (positive - before);
    won += others * (before + (positive - before) / 2);
  }
  const others = order.length - positive;
  if (positive > 0 && others > 0) return won / (positive * others);
  const message = `${positive} of ${order.length} examples are positive, which leaves no pairs`;
  throw new PeftError("ARGUMENT_INVALID", message, { hint: "evaluate on examples of both classes" });
}
