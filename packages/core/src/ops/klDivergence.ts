// KL divergence between two categorical distributions given by logits, the mean over the rows.

import * as tf from "@tensorflow/tfjs";
import { defineOp } from "../engine/op.js";
import { PeftError } from "../errors.js";

const op = defineOp({
  name: "PeftKlDivergence",
  infer: () => ({ shape: [], dtype: "float32" }),
  emit: ({ inputs }, e) => {
    const axis = e.ints([1]);
    const logSoftmax = (logits: string): string => {
      const shifted = e.op("Sub", [logits, e.op("ReduceMax", [logits, axis], { keepdims: 1n })]);
      return e.op("Sub", [shifted, e.op("Log", [e.op("ReduceSum", [e.op("Exp", [shifted]), axis], { keepdims: 1n })])]);
    };
    const target = logSoftmax(e.of(inputs.target!));
    const gap = e.op("Sub", [target, logSoftmax(e.of(inputs.logits!))]);
    const rows = e.op("ReduceSum", [e.op("Mul", [e.op("Exp", [target]), gap]), axis], { keepdims: 0n });
    return e.op("ReduceMean", [rows], { keepdims: 0n });
  },
  eager: ({ logits, target }) => {
    const known = tf.logSoftmax(target!);
    return tf.mean(tf.sum(tf.mul(tf.exp(known), tf.sub(known, tf.logSoftmax(logits!))), 1));
  },
  gradient: {
    saves: ["logits", "target"],
    of: (dy, [logits, target]) => ({
      logits: () =>
        tf.mul(tf.sub(tf.softmax(logits!), tf.softmax(target!)), tf.div(dy as tf.Tensor, logits!.shape[0]!)),
      target: () => tf.zerosLike(target!),
    }),
  },
});

/**
 * KL(softmax(target) || softmax(logits)), the mean over the rows. The target is taken as given: no gradient reaches it.
 *
 * @param logits [rows, classes]
 * @param target [rows, classes]
 * @returns a scalar
 * @throws PeftError SHAPE_MISMATCH if the shapes differ
 */
export function klDivergence(logits: tf.Tensor, target: tf.Tensor): tf.Tensor {
  if (logits.rank !== 2 || target.rank !== 2 || logits.shape.some((d, i) => d !== target.shape[i])) {
    const shapes = `[${logits.shape}] and [${target.shape}]`;
    throw new PeftError("SHAPE_MISMATCH", `klDivergence wants two tensors of [rows, classes], got ${shapes}`);
  }
  return op({ logits, target })[0]!;
}
