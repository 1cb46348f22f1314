// Metrics of an evaluation: each adds up numbers over the batches, in the compiled function, and makes one number of the
// sums. One that needs every example's numbers has them put one behind the other instead.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";
import { type ClassCounts, f1Of, matthewsOf } from "../metrics/classification.js";
import { rocAucScore } from "../metrics/rocAuc.js";
import type { ModelInputs, ModelOutput } from "../models/index.js";

export interface Metric {
  /** By which events, logs and `bestMetric` know it. */
  readonly name: string;
  /** The pure function: a batch's numbers, [n] float32, which are added up over the batches. */
  sums(output: ModelOutput, batch: ModelInputs): tf.Tensor;
  /** Whether the batches' numbers are put one behind the other instead of being added up. @defaultValue false */
  readonly keepsAll?: boolean;
  /**
   * The metric of the added numbers.
   *
   * @param sums [n]; of all batches one behind the other where `keepsAll`
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
  return ofCounts("macroF1", classes, (counts) => {
    const present = [...counts.values()].filter((one) => one.predicted + one.present > 0).map(f1Of);
    return present.reduce((sum, f1) => sum + f1, 0) / present.length;
  });
}

/**
 * F1 of class 1 of two, the score of GLUE's MRPC and QQP; 0 where it neither occurs nor is predicted. Logits are [batch, 2],
 * labels [batch].
 *
 * @throws in an evaluation PeftError SHAPE_MISMATCH for labels that are not class numbers
 */
export function binaryF1(): Metric {
  return ofCounts("binaryF1", 2, (counts) => f1Of(counts.get(1)!));
}

/**
 * Matthews's correlation of predictions and labels, the score of GLUE's CoLA; 0 where either is constant. Logits are
 * [batch, classes], labels [batch].
 *
 * @throws PeftError ARGUMENT_INVALID for fewer than two classes; in an evaluation SHAPE_MISMATCH for labels that are not class
 *   numbers
 */
export function matthews(classes: number): Metric {
  return ofCounts("matthews", classes, (counts, examples) => {
    const right = [...counts.values()].reduce((sum, { found }) => sum + found, 0);
    return matthewsOf({ right, examples, counts });
  });
}

/**
 * The area under the ROC curve of two classes, the score being the difference of the logits, which orders examples as the
 * probability of class 1 does. Logits are [batch, 2], labels [batch].
 *
 * @throws in an evaluation PeftError SHAPE_MISMATCH for labels that are not class numbers or more than two logits,
 *   ARGUMENT_INVALID where one of the classes does not occur
 */
export function rocAuc(): Metric {
  return {
    name: "rocAuc",
    keepsAll: true,
    sums: ({ logits }, batch) => {
      const labels = classNumbers(logits, batch);
      if (logits.shape[1] !== 2) {
        throw new PeftError("SHAPE_MISMATCH", `the metric is of two classes, and got logits [${logits.shape}]`, {
          place: "logits",
        });
      }
      const [first, second] = tf.split(logits, 2, 1);
      const scores = tf.reshape(tf.sub(second!, first!), [-1, 1]);
      return tf.reshape(tf.concat([scores, tf.reshape(tf.cast(labels, "float32"), [-1, 1])], 1), [-1]);
    },
    value: (numbers) => {
      const pairs = { scores: numbers.filter((_, i) => i % 2 === 0), labels: numbers.filter((_, i) => i % 2 === 1) };
      return rocAucScore(pairs.scores, pairs.labels);
    },
  };
}

/**
 * Pearson's correlation of predicted and wanted numbers, a score of GLUE's STS-B; NaN where either is constant. Logits are
 * [batch, 1], labels [batch] or [batch, 1].
 *
 * @throws in an evaluation PeftError SHAPE_MISMATCH for labels that are not a number each
 */
export function pearson(): Metric {
  return {
    name: "pearson",
    sums: ({ logits }, { labels }) => {
      const [batch] = logits.shape;
      if (labels?.dtype !== "float32" || labels.size !== batch || logits.size !== batch) {
        throw new PeftError("SHAPE_MISMATCH", "the metric compares a number an example, float32 of [batch]", {
          place: "labels",
        });
      }
      const [x, y] = [tf.reshape(logits, [batch]), tf.reshape(labels, [batch])];
      return tf.stack([x, y, tf.mul(x, x), tf.mul(y, y), tf.mul(x, y)].map((terms) => tf.sum(terms)));
    },
    value: (sums, examples) => {
      const [x, y, xx, yy, xy] = [...sums].map((sum) => sum / examples) as [number, number, number, number, number];
      return (xy - x * y) / Math.sqrt((xx - x * x) * (yy - y * y));
    },
  };
}

/** A metric of what each class has of right predictions, of predictions and of labels. */
function ofCounts(
  name: string,
  classes: number,
  value: (counts: ReadonlyMap<number, ClassCounts>, examples: number) => number,
): Metric {
  checkWhole("classes", classes, 2);
  return {
    name,
    sums: ({ logits }, batch) => {
      const present = tf.cast(tf.oneHot(classNumbers(logits, batch), classes), "float32");
      const predicted = tf.cast(tf.oneHot(tf.argMax(logits, 1) as tf.Tensor1D, classes), "float32");
      return tf.concat([tf.mul(present, predicted), predicted, present].map((table) => tf.sum(table, 0)));
    },
    value: (sums, examples) => {
      const counts = Array.from({ length: classes }, (_, i): [number, ClassCounts] => {
        return [i, { found: sums[i]!, predicted: sums[classes + i]!, present: sums[2 * classes + i]! }];
      });
      return value(new Map(counts), examples);
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
