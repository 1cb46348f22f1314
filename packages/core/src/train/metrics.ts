// Metrics of an evaluation: each adds up numbers over the batches, in the compiled function, and makes one number of the
// sums.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";
import type { ModelInputs, ModelOutput } from "../models/index.js";

export interface Metric {
  /** By which events, logs and `bestMetric` know it. */
  readonly name: string;
  /** The pure function: a batch's numbers, [n] float32, which are added up over the batches. */
  sums(output: ModelOutput, batch: ModelInputs): tf.Tensor;
  /**
   * The metric of the added numbers.
   *
   * @param sums [n]
   * @param examples of all batches
   */
  value(sums: Float64Array, examples: number): number;
}

/**
 * The share of examples whose label is among the k largest logits; of equal logits the one with the lower index counts as
 * larger. Logits are [batch, classes], labels [batch].
 *
 * @throws PeftError ARGUMENT_INVALID for a k that is not a positive whole number; in an evaluation SHAPE_MISMATCH for labels
 *   that are not class numbers
 */
export function topKAccuracy(k: number): Metric {
  checkWhole("k", k, 1);
  return {
    name: `top${k}Accuracy`,
    sums: ({ logits }, batch) => {
      const { indices } = tf.topk(logits, k);
      const hits = tf.cast(tf.equal(indices, tf.expandDims(classNumbers(logits, batch), 1)), "float32");
      return tf.reshape(tf.sum(hits), [1]);
    },
    value: (sums, examples) => sums[0]! / examples,
  };
}

/**
 * The mean over the classes of F1 = 2 TP / (2 TP + FP + FN), as scikit-learn's macro average; a class that neither occurs
 * nor is predicted is left out of the mean. Logits are [batch, classes], labels [batch].
 *
 * @throws PeftError ARGUMENT_INVALID for fewer than two classes; in an evaluation SHAPE_MISMATCH for labels that are not class
 *   numbers
 */
export function macroF1(classes: number): Metric {
  checkWhole("classes", classes, 2);
  return {
    name: "macroF1",
    sums: ({ logits }, batch) => {
      const wanted = tf.cast(tf.oneHot(classNumbers(logits, batch), classes), "float32");
      const found = tf.cast(tf.oneHot(tf.argMax(logits, 1) as tf.Tensor1D, classes), "float32");
      // True positives, then what each class has of labels and of predictions: 2 TP + FP + FN is the sum of the two.
      return tf.concat([tf.sum(tf.mul(wanted, found), 0), tf.add(tf.sum(wanted, 0), tf.sum(found, 0))]);
    },
    value: (sums) => {
      const all = Array.from({ length: classes }, (_, i) => [sums[i]!, sums[classes + i]!] as const);
      const present = all.filter(([, total]) => total > 0);
      return present.reduce((sum, [right, total]) => sum + (2 * right) / total, 0) / present.length;
    },
  };
}

/** [batch] int32. */
function classNumbers(logits: tf.Tensor, { labels }: ModelInputs): tf.Tensor1D {
  if (labels?.dtype === "int32" && labels.rank === 1 && labels.shape[0] === logits.shape[0])
    return labels as tf.Tensor1D;
  const found = labels ? `${labels.dtype} of [${labels.shape}]` : "nothing";
  throw new PeftError("SHAPE_MISMATCH", `the metric compares with class numbers, int32 of [batch], and got ${found}`, {
    place: "labels",
    hint: "mixed labels are for training; evaluate on the pictures as they are",
  });
}

function checkWhole(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new PeftError("ARGUMENT_INVALID", `${name} cannot be ${value}`, { place: "metric" });
}
