// What losses over classes have in common: log(sum(exp(logits))) of each row, without an overflow.

import type { Emitter } from "../engine/emit.js";

/** The logits less their row's largest, [rows, classes], and the logarithm of the sum of their exponentials, [rows, 1]. */
export function emitLogSumExp(e: Emitter, logits: string): { shifted: string; total: string } {
  const axis = e.ints([1]);
  const shifted = e.op("Sub", [logits, e.op("ReduceMax", [logits, axis], { keepdims: 1n })]);
  const total = e.op("Log", [e.op("ReduceSum", [e.op("Exp", [shifted]), axis], { keepdims: 1n })]);
  return { shifted, total };
}
