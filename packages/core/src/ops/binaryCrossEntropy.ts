// Binary cross-entropy of logits, for labels that do not exclude one another; the mean over all elements.

import * as tf from "@tensorflow/tfjs";
import { defineOp } from "../engine/op.js";
import { sameShape } from "./sameShape.js";

/** max(x, 0) - x y + log(1 + exp(-|x|)), element by element, which no logit overflows. */
const op = defineOp({
  name: "PeftBinaryCrossEntropy",
  infer: ({ logits }) => logits!,
  emit: ({ inputs }, e) => {
    const x = e.of(inputs.logits!);
    const tail = e.op("Log", [e.op("Add", [e.op("Exp", [e.op("Neg", [e.op("Abs", [x])])]), e.float(1)])]);
    const linear = e.op("Sub", [e.op("Relu", [x]), e.op("Mul", [x, e.of(inputs.targets!)])]);
    return e.op("Add", [linear, tail]);
  },
  rows: () => ["logits", "targets"],
  eager: ({ logits, targets }) => {
    const tail = tf.log(tf.add(tf.exp(tf.neg(tf.abs(logits!))), 1));
    return tf.add(tf.sub(tf.relu(logits!), tf.mul(logits!, targets!)), tail);
  },
  gradient: {
    saves: ["logits", "targets"],
    of: (dy, [logits, targets]) => ({
      logits: () => tf.mul(tf.sub(tf.sigmoid(logits!), targets!), dy as tf.Tensor),
      targets: () => tf.neg(tf.mul(logits!, dy as tf.Tensor)),
    }),
  },
});

/**
 * Binary cross-entropy of sigmoid(logits), as torch.nn.functional.binary_cross_entropy_with_logits.
 *
 * @param logits any shape
 * @param targets the same shape, probabilities in [0, 1]
 * @returns a scalar, the mean over all elements
 * @throws PeftError SHAPE_MISMATCH if the shapes differ
 */
export function binaryCrossEntropy(logits: tf.Tensor, targets: tf.Tensor): tf.Tensor {
  sameShape("binaryCrossEntropy", logits, targets);
  return tf.mean(op({ logits, targets })[0]!);
}
