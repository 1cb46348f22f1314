// What the paper reports beside the accuracy (`mosa.md` §6.3).

import { type Metric, rocAuc, topKAccuracy } from "@peft/core";

/** How many guesses an example has, where there are as many classes. */
const GUESSES = 5;

/**
 * The metrics of an evaluation, for the trainer's `metrics`: of two classes the area under the ROC curve, else the share of
 * examples whose class is among the first five guesses, or among as many as there are classes.
 *
 * The original takes the area of each of the two columns of logits by itself and their mean; ours orders examples by the
 * probability of the second class.
 *
 * @param classes C
 * @throws PeftError ARGUMENT_INVALID for a number of classes that is not positive and whole
 */
export function taskMetrics(classes: number): Metric[] {
  return classes === 2 ? [rocAuc()] : [topKAccuracy(Math.min(GUESSES, classes))];
}
