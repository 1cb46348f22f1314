// Cases of the losses.

import * as tf from "@tensorflow/tfjs";
import * as fc from "fast-check";
import {
  binaryCrossEntropy,
  klDivergence,
  meanSquaredError,
  smoothL1,
  softmaxCrossEntropy,
  softTargetCrossEntropy,
} from "../../../ops/index.js";
import { composed, dimension, type OpCase, shape } from "./shared.js";

const IGNORED = -100;

/** Every `holes`-th label does not count; 0 lets all count. */
const labelsFor = (lead: readonly number[], classes: number, holes = 0): tf.Tensor =>
  tf.tensor(
    Int32Array.from({ length: lead.reduce((p, d) => p * d, 1) }, (_, i) =>
      holes > 0 && i % holes === holes - 1 ? IGNORED : (i * 7) % classes,
    ),
    [...lead],
    "int32",
  );

const classes = fc.integer({ min: 2, max: 9 });

export const LOSSES: Record<string, fc.Arbitrary<OpCase>> = {
  klDivergence: fc.record({ rows: dimension, classes: fc.integer({ min: 2, max: 9 }) }).map(({ rows, classes }) => ({
    shapes: [[rows, classes]],
    scale: 5,
    apply: ([logits]) => klDivergence(logits!, tf.mul(logitsLike(rows, classes), 5)),
    compose: ([logits]) =>
      composed("PeftKlDivergence", { logits: logits!, target: tf.mul(logitsLike(rows, classes), 5) }),
  })),
  softmaxCrossEntropy: fc.record({ rows: dimension, classes }).map(({ rows, classes }) => ({
    shapes: [[rows, classes]],
    scale: 20,
    apply: ([logits]) => softmaxCrossEntropy(logits!, labelsFor([rows], classes)),
    compose: ([logits]) => {
      const hit = tf.oneHot(labelsFor([rows], classes), classes);
      return tf.neg(tf.mean(tf.sum(tf.mul(hit, tf.logSoftmax(logits!)), 1)));
    },
  })),
  "softmaxCrossEntropy, smoothed, of some rows": fc
    .record({
      lead: fc.array(dimension, { minLength: 1, maxLength: 3 }),
      classes,
      holes: fc.integer({ min: 2, max: 5 }),
      labelSmoothing: fc.constantFrom(0, 0.1, 0.7),
      each: fc.boolean(),
    })
    .map(({ lead, classes, holes, labelSmoothing, each }) => {
      const labels = (): tf.Tensor => labelsFor(lead, classes, holes);
      return {
        shapes: [[...lead, classes]],
        scale: 20,
        apply: ([logits]) =>
          softmaxCrossEntropy(logits!, labels(), { labelSmoothing, reduction: each ? "none" : "mean" }),
        compose: ([logits]) => {
          const flat = { logits: tf.reshape(logits!, [-1, classes]), labels: tf.reshape(labels(), [-1]) };
          const options = { ignoreIndex: IGNORED, smoothing: labelSmoothing };
          const rows = composed("PeftSoftmaxCrossEntropy", flat, options);
          const counted = tf.sum(tf.cast(tf.notEqual(flat.labels, tf.scalar(IGNORED, "int32")), "float32"));
          return each ? tf.reshape(rows, lead) : tf.div(tf.sum(rows), counted);
        },
      };
    }),
  softTargetCrossEntropy: fc.record({ rows: dimension, classes }).map(({ rows, classes }) => ({
    shapes: [
      [rows, classes],
      [rows, classes],
    ],
    scale: 9,
    apply: ([logits, targets]) => softTargetCrossEntropy(logits!, targets!),
    compose: ([logits, targets]) => composed("PeftSoftTargetCrossEntropy", { logits: logits!, targets: targets! }),
  })),
  binaryCrossEntropy: shape.map((s) => ({
    shapes: [s, s],
    scale: 9,
    apply: ([logits, targets]) => binaryCrossEntropy(logits!, targets!),
    compose: ([logits, targets]) => tf.mean(composed("PeftBinaryCrossEntropy", { logits: logits!, targets: targets! })),
  })),
  meanSquaredError: shape.map((s) => ({
    shapes: [s, s],
    apply: ([x, target]) => meanSquaredError(x!, target!),
  })),
  smoothL1: fc.record({ s: shape, beta: fc.constantFrom(0.3, 1, 2.5) }).map(({ s, beta }) => ({
    shapes: [s, s],
    scale: 3,
    apply: ([x, target]) => smoothL1(x!, target!, beta),
    compose: ([x, target]) => tf.mean(composed("PeftSmoothL1", { x: x!, target: target! }, { beta })),
  })),
};

const logitsLike = (rows: number, classes: number): tf.Tensor =>
  tf.tensor2d(
    Float32Array.from({ length: rows * classes }, (_, i) => Math.sin(i * 1.7)),
    [rows, classes],
  );
