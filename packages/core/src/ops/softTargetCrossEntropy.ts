// Cross-entropy of logits against probabilities, as mixup and cutmix make them; the mean over the rows.

import * as tf from "@tensorflow/tfjs";
import { defineOp } from "../engine/op.js";
import { PeftError } from "../errors.js";
import { emitLogSumExp } from "./logSumExp.js";

const op = defineOp({
  name: "PeftSoftTargetCrossEntropy",
  infer: () => ({ shape: [], dtype: "float32" }),
  emit: ({ inputs }, e) => {
    const { shifted, total } = emitLogSumExp(e, e.of(inputs.logits!));
    const surprise = e.op("Sub", [total, shifted]);
    const rows = e.op("ReduceSum", [e.op("Mul", [surprise, e.of(inputs.targets!)]), e.ints([1])], { keepdims: 0n });
    return e.op("ReduceMean", [rows], { keepdims: 0n });
  },
  eager: ({ logits, targets }) => tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(logits!), targets!), 1))),
  gradient: {
    saves: ["logits", "targets"],
    of: (dy, [logits, targets]) => {
      const share = tf.div(dy as tf.Tensor, logits!.shape[0]!);
      return {
        logits: () => tf.mul(tf.sub(tf.mul(tf.softmax(logits!), tf.sum(targets!, 1, true)), targets!), share),
        targets: () => tf.neg(tf.mul(tf.logSoftmax(logits!), share)),
      };
    },
  },
});

/**
 * Cross-entropy with probabilities: the mean over the rows of -sum(targets log softmax(logits)).
 *
 * @param logits [rows, classes]
 * @param targets [rows, classes]
 * @returns a scalar
 * @throws PeftError SHAPE_MISMATCH if the shapes differ
 */
export function softTargetCrossEntropy(logits: tf.Tensor, targets: tf.Tensor): tf.Tensor {
  if (logits.rank !== 2 || targets.rank !== 2 || logits.shape.some((d, i) => d !== targets.shape[i])) {
    const shapes = `[${logits.shape}] and [${targets.shape}]`;
    throw new PeftError("SHAPE_MISMATCH", `softTargetCrossEntropy wants two tensors of [rows, classes], got ${shapes}`);
  }
  return op({ logits, targets })[0]!;
}
