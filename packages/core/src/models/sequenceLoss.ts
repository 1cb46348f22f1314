// The loss of a classifier of texts or sounds, as transformers has it.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";
import { binaryCrossEntropy, meanSquaredError, softmaxCrossEntropy } from "../ops/index.js";

/** What a classifier's numbers mean, in the words of `config.json`. */
export const PROBLEM_TYPES = ["regression", "single_label_classification", "multi_label_classification"] as const;
export type ProblemType = (typeof PROBLEM_TYPES)[number];

/**
 * What labels are. Where no problem is named, those of one number are a regression; class numbers (int32) are single labels,
 * and rows of float32 several labels at once.
 */
export function problemOf(
  named: ProblemType | undefined,
  classes: number,
  { dtype }: { readonly dtype: tf.DataType },
): ProblemType {
  if (named) return named;
  if (classes === 1) return "regression";
  return dtype === "float32" ? "multi_label_classification" : "single_label_classification";
}

/**
 * The loss of a sequence classifier, by what `problemOf` says of its labels.
 *
 * @param logits [batch, labels]
 * @param labels [batch] int32; for several labels [batch, labels] float32 of zeros and ones; for a regression [batch], or
 *   [batch, labels], float32
 * @returns a scalar, the mean over the batch
 * @throws PeftError SHAPE_MISMATCH for labels of another shape
 */
export function sequenceLoss(logits: tf.Tensor, labels: tf.Tensor, problem: ProblemType | undefined): tf.Tensor {
  const [batch, classes] = logits.shape as [number, number];
  const kind = problemOf(problem, classes, labels);
  if (kind === "single_label_classification") return softmaxCrossEntropy(logits, labels);
  const wanted = [batch, classes];
  const fits = labels.shape.join() === wanted.join() || (classes === 1 && labels.shape.join() === `${batch}`);
  if (!fits) {
    throw new PeftError("SHAPE_MISMATCH", `labels of a ${kind} are [${wanted}], got [${labels.shape}]`);
  }
  const targets = tf.reshape(tf.cast(labels, "float32"), wanted);
  return kind === "regression" ? meanSquaredError(logits, targets) : binaryCrossEntropy(logits, targets);
}
