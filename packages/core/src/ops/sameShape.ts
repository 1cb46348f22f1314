// What losses that compare element by element ask of their operands.

import type * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";

/** @throws PeftError SHAPE_MISMATCH: what would be broadcast is a mistake in a loss */
export function sameShape(op: string, a: tf.Tensor, b: tf.Tensor): void {
  if (a.rank === b.rank && a.shape.every((d, i) => d === b.shape[i])) return;
  throw new PeftError("SHAPE_MISMATCH", `${op} wants two tensors of one shape, got [${a.shape}] and [${b.shape}]`);
}
