// Cross-entropy of logits against class numbers, the mean over the rows.

import * as tf from "@tensorflow/tfjs";
import { defineOp } from "../engine/op.js";
import { PeftError } from "../errors.js";

const op = defineOp({
  name: "PeftSoftmaxCrossEntropy",
  infer: () => ({ shape: [], dtype: "float32" }),
  emit: ({ inputs }, e) => {
    const [rows, classes] = inputs.logits!.shape as [number, number];
    const logits = e.of(inputs.logits!);
    const axis = e.ints([1]);
    const shifted = e.op("Sub", [logits, e.op("ReduceMax", [logits, axis], { keepdims: 1n })]);
    const total = e.op("Log", [e.op("ReduceSum", [e.op("Exp", [shifted]), axis], { keepdims: 0n })]);
    const range = Int32Array.from({ length: classes }, (_, i) => i);
    const column = e.reshape(e.of(inputs.labels!), [rows, 1]);
    const hit = e.op("Equal", [column, e.constant("int32", [classes], new Uint8Array(range.buffer))]);
    const own = e.op("ReduceSum", [e.op("Where", [hit, shifted, e.float(0)]), axis], { keepdims: 0n });
    return e.op("ReduceMean", [e.op("Sub", [total, own])], { keepdims: 0n });
  },
  eager: ({ logits, labels }) => {
    const hit = tf.oneHot(labels!, logits!.shape[1]!);
    return tf.neg(tf.mean(tf.sum(tf.mul(hit, tf.logSoftmax(logits!)), 1)));
  },
  gradient: {
    saves: ["logits", "labels"],
    of: (dy, [logits, labels]) => ({
      logits: () => {
        const [rows, classes] = logits!.shape as [number, number];
        const excess = tf.sub(tf.softmax(logits!), tf.oneHot(labels!, classes));
        return tf.mul(excess, tf.div(dy as tf.Tensor, rows));
      },
    }),
  },
});

/**
 * Cross-entropy with class numbers.
 *
 * @param logits [rows, classes]
 * @param labels [rows], int32, each in 0..classes-1
 * @returns a scalar, the mean over the rows
 * @throws PeftError SHAPE_MISMATCH if the rows differ
 */
export function softmaxCrossEntropy(logits: tf.Tensor, labels: tf.Tensor): tf.Tensor {
  if (logits.rank !== 2 || labels.rank !== 1 || labels.shape[0] !== logits.shape[0]) {
    const shapes = `logits [${logits.shape}], labels [${labels.shape}]`;
    throw new PeftError("SHAPE_MISMATCH", `softmaxCrossEntropy wants [rows, classes] and [rows], got ${shapes}`);
  }
  return op({ logits, labels })[0]!;
}
