// A tensor rolled along axes, as torch.roll: what is shifted out at one end comes in at the other.

import type * as tf from "@tensorflow/tfjs";
import { axisOf } from "../engine/kernels/shapes.js";
import { PeftError } from "../errors.js";
import { take } from "./take.js";

/**
 * Rolls a tensor: along each of `axes`, place i of the input becomes place i + shift, modulo the length.
 *
 * @param x any shape
 * @param shifts whole numbers of either sign, one for each axis
 * @param axes counted from the front or the back
 * @throws PeftError ARGUMENT_INVALID if there are more shifts than axes, or fewer
 */
export function roll(x: tf.Tensor, shifts: readonly number[], axes: readonly number[]): tf.Tensor {
  if (shifts.length !== axes.length) {
    throw new PeftError("ARGUMENT_INVALID", `roll: ${shifts.length} shifts for ${axes.length} axes`);
  }
  return axes.reduce((rolled, axis, n) => {
    const length = x.shape[axisOf(axis, x.rank)]!;
    const shift = ((shifts[n]! % length) + length) % length;
    if (shift === 0) return rolled;
    return take(
      rolled,
      Array.from({ length }, (_, i) => (i + length - shift) % length),
      axis,
    );
  }, x);
}
