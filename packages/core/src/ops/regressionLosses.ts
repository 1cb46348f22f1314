// Losses of numbers against numbers: the mean squared error, and the smooth L1 loss (Girshick 2015), which is linear where
// the error is large.

import * as tf from "@tensorflow/tfjs";
import { defineOp } from "../engine/op.js";
import { PeftError } from "../errors.js";
import { sameShape } from "./sameShape.js";

/**
 * The mean squared error.
 *
 * @param x any shape
 * @param target the same shape
 * @returns a scalar, the mean over all elements
 * @throws PeftError SHAPE_MISMATCH if the shapes differ
 */
export function meanSquaredError(x: tf.Tensor, target: tf.Tensor): tf.Tensor {
  sameShape("meanSquaredError", x, target);
  return tf.mean(tf.squaredDifference(x, target));
}

/** With d = |x - target| and c = min(d, beta): c^2 / (2 beta) + d - c. */
const smooth = defineOp({
  name: "PeftSmoothL1",
  infer: ({ x }) => x!,
  emit: ({ inputs, attrs }, e) => {
    const beta = attrs.beta as number;
    const d = e.op("Abs", [e.op("Sub", [e.of(inputs.x!), e.of(inputs.target!)])]);
    const c = e.op("Min", [d, e.float(beta)]);
    const square = e.op("Mul", [e.op("Mul", [c, c]), e.float(0.5 / beta)]);
    return e.op("Add", [square, e.op("Sub", [d, c])]);
  },
  rows: () => ["x", "target"],
  eager: ({ x, target }, attrs) => {
    const beta = attrs.beta as number;
    const d = tf.abs(tf.sub(x!, target!));
    const c = tf.minimum(d, beta);
    return tf.add(tf.mul(tf.square(c), 0.5 / beta), tf.sub(d, c));
  },
  gradient: {
    saves: ["x", "target"],
    of: (dy, [x, target], attrs) => {
      const slope = (): tf.Tensor =>
        tf.mul(tf.clipByValue(tf.div(tf.sub(x!, target!), attrs.beta as number), -1, 1), dy as tf.Tensor);
      return { x: slope, target: () => tf.neg(slope()) };
    },
  },
});

/**
 * The smooth L1 loss, as torch.nn.functional.smooth_l1_loss: (x - target)^2 / (2 beta) where |x - target| < beta, else
 * |x - target| - beta / 2.
 *
 * @param x any shape
 * @param target the same shape
 * @param beta where the loss becomes linear, above 0. @defaultValue 1
 * @returns a scalar, the mean over all elements
 * @throws PeftError SHAPE_MISMATCH if the shapes differ, ARGUMENT_INVALID unless beta > 0
 */
export function smoothL1(x: tf.Tensor, target: tf.Tensor, beta = 1): tf.Tensor {
  if (!(beta > 0)) throw new PeftError("ARGUMENT_INVALID", `smoothL1 wants beta > 0, got ${beta}`);
  sameShape("smoothL1", x, target);
  return tf.mean(smooth({ x, target }, { beta })[0]!);
}
