// The loss of a classifier, with either form of labels.

import type * as tf from "@tensorflow/tfjs";
import { softmaxCrossEntropy, softTargetCrossEntropy } from "../ops/index.js";

/**
 * Cross-entropy, the mean over the batch.
 *
 * @param logits [batch, classes]
 * @param labels [batch], int32: class numbers; or [batch, classes], float32: each row the shares of the classes, which add
 *   up to 1, as `mixup` makes them
 * @returns a scalar
 * @throws PeftError SHAPE_MISMATCH for labels of another shape
 */
export function classificationLoss(logits: tf.Tensor, labels: tf.Tensor): tf.Tensor {
  return labels.dtype === "float32" ? softTargetCrossEntropy(logits, labels) : softmaxCrossEntropy(logits, labels);
}
