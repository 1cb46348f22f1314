// Padding by a number, by reflection at the edge, by the edge's own values, or in a circle, as torch.nn.functional.pad.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";
import { take } from "./take.js";

export type PadMode = "constant" | "reflect" | "replicate" | "circular";

/** The place of an axis that a place outside it, at -before..length+after-1, shows. */
const PLACES: Readonly<Record<Exclude<PadMode, "constant">, (at: number, length: number) => number>> = {
  reflect: (at, length) => (at < 0 ? -at : at < length ? at : 2 * (length - 1) - at),
  replicate: (at, length) => Math.min(Math.max(at, 0), length - 1),
  circular: (at, length) => (at + length) % length,
};

/**
 * Padding.
 *
 * @param x any shape
 * @param pads for each of the last axes, from the front one to the last, how many places come before and behind it
 * @param options.mode `reflect` mirrors without repeating the edge, `replicate` repeats the edge, `circular` goes on at the
 *   other end. @defaultValue "constant"
 * @param options.value what `constant` pads with. @defaultValue 0
 * @throws PeftError ARGUMENT_INVALID for a pad that is negative or not whole, or more than the mode can fill: a reflection
 *   has length - 1 places, a circle `length`
 */
export function pad(
  x: tf.Tensor,
  pads: readonly (readonly [before: number, after: number])[],
  { mode = "constant", value = 0 }: { mode?: PadMode; value?: number } = {},
): tf.Tensor {
  const first = x.rank - pads.length;
  const most = (length: number): number =>
    mode === "reflect" ? length - 1 : mode === "circular" ? length : Number.POSITIVE_INFINITY;
  const fits = pads.every((both, i) =>
    both.every((n) => Number.isInteger(n) && n >= 0 && n <= most(x.shape[first + i]!)),
  );
  if (first < 0 || !fits) {
    const list = pads.map((both) => `[${both}]`).join(", ");
    throw new PeftError("ARGUMENT_INVALID", `pad: ${list} cannot be padded onto [${x.shape}] by ${mode}`);
  }
  if (mode === "constant") {
    const leading = Array.from({ length: first }, (): [number, number] => [0, 0]);
    return tf.pad(x, [...leading, ...pads.map(([before, after]): [number, number] => [before, after])], value);
  }
  return pads.reduce((padded, [before, after], i) => {
    if (before + after === 0) return padded;
    const length = x.shape[first + i]!;
    const positions = Array.from({ length: before + length + after }, (_, n) => PLACES[mode](n - before, length));
    return take(padded, positions, first + i);
  }, x);
}
