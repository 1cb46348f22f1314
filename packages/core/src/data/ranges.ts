// Ranges that random transforms draw from, and Python's rounding, on which their bounds depend.

import { PeftError } from "../errors.js";

/** From the first number to the second. */
export type Range = readonly [from: number, to: number];

/** @throws PeftError ARGUMENT_INVALID for a range that runs backwards or leaves `least` .. `most`. */
export function checkRange(
  name: string,
  [from, to]: Range,
  least: number,
  most: number = Number.POSITIVE_INFINITY,
): void {
  if (from >= least && from <= to && to <= most && Number.isFinite(to)) return;
  throw new PeftError(
    "ARGUMENT_INVALID",
    `${name} from ${from} to ${to}: the range runs backwards or is out of bounds`,
  );
}

/** @throws PeftError ARGUMENT_INVALID for what is not between 0 and 1. */
export function checkProbability(name: string, probability: number): void {
  if (probability >= 0 && probability <= 1) return;
  throw new PeftError("ARGUMENT_INVALID", `${name} ${probability} is not between 0 and 1`);
}

/** Python's `round`: halves go to the even neighbour. */
export function roundHalfEven(x: number): number {
  const down = Math.floor(x);
  if (x - down !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
}
