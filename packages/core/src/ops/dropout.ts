// Dropout (Srivastava et al. 2014), inverted: what is kept is scaled by 1 / (1 - rate).

import * as tf from "@tensorflow/tfjs";
import { draw } from "../engine/compile.js";
import { defineOp } from "../engine/op.js";
import { PeftError } from "../errors.js";
import { randomBits } from "./randomBits.js";

/** x * scale where `keep`, else 0. The gradient is the same operation, so only the mask is kept. */
const masked = defineOp({
  name: "PeftMasked",
  infer: ({ x }) => x!,
  emit: ({ inputs, attrs }, e) =>
    e.op("Where", [e.of(inputs.keep!), e.op("Mul", [e.of(inputs.x!), e.float(attrs.scale as number)]), e.float(0)]),
  rows: () => ["x", "keep"],
  eager: ({ x, keep }, { scale }) => tf.where(keep!, tf.mul(x!, scale as number), tf.zerosLike(x!)),
  gradient: {
    saves: ["keep"],
    of: (dy, [keep], attrs) => ({ x: () => masked({ x: dy as tf.Tensor, keep: keep! }, attrs)[0]! }),
  },
});

/**
 * Dropout, inside a compiled or eager function.
 *
 * @param x any shape
 * @param rate the probability of a zero, 0 <= rate < 1; 0 returns `x`
 * @param site names the place, from which its random numbers come
 * @throws PeftError ARGUMENT_INVALID for a rate outside [0, 1)
 */
export function dropout(x: tf.Tensor, rate: number, site: string): tf.Tensor {
  if (!(rate >= 0 && rate < 1)) throw new PeftError("ARGUMENT_INVALID", `dropout wants 0 <= rate < 1, got ${rate}`);
  if (rate === 0) return x;
  const bits = randomBits(draw(site, [1], "key"), x.shape);
  const keep = tf.greaterEqual(bits, tf.scalar(Math.round(rate * 2 ** 24), "int32"));
  return masked({ x, keep }, { scale: 1 / (1 - rate) })[0]!;
}
