// Positions that are numbers of the graph. ONNX counts negative ones from the end, and one that is moved to another batch's
// place would be found there: what is outside has to be told first.

import type { Emitter } from "../emit.js";

/** Whether each position is outside of 0 to `length` - 1; `length` is a name too, and broadcasts. */
export function emitOutside(e: Emitter, positions: string, length: string): string {
  return e.op("Or", [e.op("Less", [positions, e.int(0)]), e.op("GreaterOrEqual", [positions, length])]);
}

/**
 * Positions on an axis of `length`, or what was made of them (`at`); those outside become `past`. One past the end of all
 * stops a run on the CPU, as TensorFlow.js does.
 */
export function emitWithin(
  e: Emitter,
  positions: string,
  length: number,
  past: number,
  at: string = positions,
): string {
  return e.op("Where", [emitOutside(e, positions, e.int(length)), e.int(past), at]);
}
