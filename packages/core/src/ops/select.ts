// One of two tensors by a scalar condition: how an update is masked where a gradient is not finite.

import * as tf from "@tensorflow/tfjs";
import { defineOp } from "../engine/op.js";

const op = defineOp({
  name: "PeftSelect",
  infer: ({ t }) => t!,
  emit: ({ inputs }, e) => e.op("Where", [e.of(inputs.condition!), e.of(inputs.t!), e.of(inputs.e!)]),
  eager: ({ condition, t, e }) => tf.where(tf.cast(condition!, "bool"), t!, e!),
});

/**
 * `yes` where the condition is true, else `no`, without a gradient. Unlike a product with 0 or 1, a NaN on the side that
 * is not chosen does not come through.
 *
 * @param condition a bool scalar
 */
export function select(condition: tf.Tensor, yes: tf.Tensor, no: tf.Tensor): tf.Tensor {
  return op({ condition, t: yes, e: no })[0]!;
}
