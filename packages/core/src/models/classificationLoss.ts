// The loss of a classifier of pictures: that of any classifier, and labels may be shares of the classes.

import type * as tf from "@tensorflow/tfjs";
import { softTargetCrossEntropy } from "../ops/index.js";
import { type ProblemType, sequenceLoss } from "./sequenceLoss.js";

/**
 * As `sequenceLoss`, but rows of float32 are several labels at once only where that is the problem's name; else they are the
 * shares of the classes, and the loss is the cross-entropy, the mean over the batch.
 *
 * @param logits [batch, classes]
 * @param labels [batch], int32: class numbers; or [batch, classes], float32: each row the shares of the classes, which add
 *   up to 1, as `mixup` makes them; or as `sequenceLoss` has them for the problem
 * @returns a scalar
 * @throws PeftError SHAPE_MISMATCH for labels of another shape
 */
export function classificationLoss(logits: tf.Tensor, labels: tf.Tensor, problem?: ProblemType): tf.Tensor {
  const kind = problem ?? (logits.shape[1] === 1 ? "regression" : "single_label_classification");
  if (kind === "single_label_classification" && labels.dtype === "float32") {
    return softTargetCrossEntropy(logits, labels);
  }
  return sequenceLoss(logits, labels, kind);
}
