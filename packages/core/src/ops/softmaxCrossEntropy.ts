// Cross-entropy of logits against class numbers, with label smoothing (Szegedy et al. 2016) and rows that do not count, as
// torch.nn.functional.cross_entropy.

import * as tf from "@tensorflow/tfjs";
import type { Emitter } from "../engine/emit.js";
import { type Attrs, sizeOf, type Value } from "../engine/graph.js";
import { emitWithin } from "../engine/kernels/positions.js";
import { defineOp } from "../engine/op.js";
import { PeftError } from "../errors.js";
import { emitLogSumExp } from "./logSumExp.js";

interface Labels {
  /** The class of each row, 0 where the row does not count: [rows, 1]. */
  column: string;
  /** Whether the row counts: [rows, 1]. */
  counts: string;
}

function emitLabels(e: Emitter, labels: Value, classes: number, { ignoreIndex }: Attrs): Labels {
  return e.once(`labels ${ignoreIndex} below ${classes} of ${labels.id}`, () => {
    const column = e.reshape(e.of(labels), [labels.shape[0]!, 1]);
    const counts = e.op("Not", [e.op("Equal", [column, e.int(ignoreIndex as number)])]);
    return { column: e.op("Where", [counts, emitWithin(e, column, classes, classes), e.int(0)]), counts };
  });
}

/** The class of each row as 1 in a row of zeros; all zeros where the row does not count. */
function oneHot(labels: tf.Tensor, classes: number, ignoreIndex: number): tf.Tensor {
  return tf.oneHot(tf.where(tf.notEqual(labels, ignoreIndex), labels, tf.fill(labels.shape, -1, "int32")), classes);
}

function counted(labels: tf.Tensor, ignoreIndex: number): tf.Tensor {
  return tf.cast(tf.notEqual(labels, tf.scalar(ignoreIndex, "int32")), "float32");
}

/** The loss of each row, 0 where it does not count. With s the smoothing: lse - (1 - s) own - s mean(logits). */
const losses = defineOp({
  name: "PeftSoftmaxCrossEntropy",
  infer: ({ labels }) => ({ shape: labels!.shape, dtype: "float32" }),
  emit: ({ inputs, attrs }, e) => {
    const smoothing = attrs.smoothing as number;
    const { column, counts } = emitLabels(e, inputs.labels!, inputs.logits!.shape[1]!, attrs);
    const { shifted, total } = emitLogSumExp(e, e.of(inputs.logits!));
    let own = e.op("GatherElements", [shifted, column], { axis: 1n });
    if (smoothing > 0) {
      const mean = e.op("ReduceMean", [shifted, e.ints([1])], { keepdims: 1n });
      const parts = [e.op("Mul", [own, e.float(1 - smoothing)]), e.op("Mul", [mean, e.float(smoothing)])];
      own = e.op("Add", parts);
    }
    const loss = e.op("Where", [counts, e.op("Sub", [total, own]), e.float(0)]);
    return e.reshape(loss, inputs.labels!.shape);
  },
  eager: ({ logits, labels }, attrs) => {
    const [classes, ignoreIndex, smoothing] = [
      logits!.shape[1]!,
      attrs.ignoreIndex as number,
      attrs.smoothing as number,
    ];
    const known = tf.logSoftmax(logits!);
    const own = tf.sum(tf.mul(oneHot(labels!, classes, ignoreIndex), known), 1);
    const smoothed = tf.add(tf.mul(own, 1 - smoothing), tf.mul(tf.mean(known, 1), smoothing));
    return tf.neg(tf.mul(smoothed, counted(labels!, ignoreIndex)));
  },
  gradient: {
    saves: ["logits", "labels"],
    of: (dy, [logits, labels], attrs) => ({
      logits: () => gradient({ logits: logits!, labels: labels!, dy: dy as tf.Tensor }, attrs)[0]!,
    }),
  },
});

/** softmax(logits) - (1 - s) one-hot(label) - s / classes, times the row's dy. */
const gradient = defineOp({
  name: "PeftSoftmaxCrossEntropyGradient",
  infer: ({ logits }) => logits!,
  emit: ({ inputs, attrs }, e) => {
    const [rows, classes] = inputs.logits!.shape as [number, number];
    const smoothing = attrs.smoothing as number;
    const { column, counts } = emitLabels(e, inputs.labels!, classes, attrs);
    const p = e.op("Softmax", [e.of(inputs.logits!)], { axis: 1n });
    const share = e.op("Expand", [e.float(smoothing - 1), e.ints([rows, 1])]);
    let excess = e.op("ScatterElements", [p, column, share], { axis: 1n, reduction: "add" });
    if (smoothing > 0) excess = e.op("Sub", [excess, e.float(smoothing / classes)]);
    const weight = e.op("Where", [counts, e.reshape(e.of(inputs.dy!), [rows, 1]), e.float(0)]);
    return e.op("Mul", [excess, weight]);
  },
  eager: ({ logits, labels, dy }, attrs) => {
    const [classes, ignoreIndex, smoothing] = [
      logits!.shape[1]!,
      attrs.ignoreIndex as number,
      attrs.smoothing as number,
    ];
    const target = tf.add(tf.mul(oneHot(labels!, classes, ignoreIndex), 1 - smoothing), smoothing / classes);
    const weight = tf.mul(dy!, counted(labels!, ignoreIndex));
    return tf.mul(tf.sub(tf.softmax(logits!), target), tf.expandDims(weight, 1));
  },
});

export interface CrossEntropyOptions {
  /** Rows with this label do not count. @defaultValue -100 */
  ignoreIndex?: number;
  /** The share of the target that is spread evenly over all classes, in [0, 1). @defaultValue 0 */
  labelSmoothing?: number;
  /** `mean` over the rows that count, or one loss for each row, 0 where it does not count. @defaultValue "mean" */
  reduction?: "mean" | "none";
}

/**
 * Cross-entropy with class numbers.
 *
 * @param logits [..., classes]
 * @param labels [...], int32, each in 0..classes-1 or `ignoreIndex`
 * @returns a scalar, NaN if no row counts; or [...]
 * @throws PeftError SHAPE_MISMATCH if the rows differ, ARGUMENT_INVALID for a smoothing outside [0, 1); when it runs compiled
 *   on the CPU, DATA_INVALID for another label
 */
export function softmaxCrossEntropy(
  logits: tf.Tensor,
  labels: tf.Tensor,
  { ignoreIndex = -100, labelSmoothing = 0, reduction = "mean" }: CrossEntropyOptions = {},
): tf.Tensor {
  const classes = logits.shape.at(-1);
  if (logits.rank !== labels.rank + 1 || labels.shape.some((d, i) => d !== logits.shape[i])) {
    const shapes = `logits [${logits.shape}], labels [${labels.shape}]`;
    throw new PeftError("SHAPE_MISMATCH", `softmaxCrossEntropy wants [..., classes] and [...], got ${shapes}`);
  }
  if (!(labelSmoothing >= 0 && labelSmoothing < 1)) {
    throw new PeftError("ARGUMENT_INVALID", `softmaxCrossEntropy: labelSmoothing ${labelSmoothing} is not in [0, 1)`);
  }
  const rows = sizeOf(labels.shape);
  const flat = { logits: tf.reshape(logits, [rows, classes!]), labels: tf.reshape(labels, [rows]) };
  const [each] = losses(flat, { ignoreIndex, smoothing: labelSmoothing });
  if (reduction === "none") return tf.reshape(each!, labels.shape);
  return tf.div(tf.sum(each!), tf.sum(counted(flat.labels, ignoreIndex)));
}
