// ONNX Runtime's product of transposed and scaled matrices, for a runtime that has the plain product alone.

import { type Lowering, type LoweringEmitter, one } from "./lowering.js";

function swapLast(e: LoweringEmitter, name: string): string {
  const rank = e.rankOf(name);
  const perm = Array.from({ length: rank }, (_, i) => BigInt(i < rank - 2 ? i : 2 * rank - 3 - i));
  return e.op("Transpose", [name], { perm });
}

export const fusedMatMul: Lowering = one((e, [a, b], { attributes: { transA, transB, alpha } }) => {
  // The scale goes to the factor, which is smaller than a product of many columns.
  const scaled = alpha === 1 ? a! : e.op("Mul", [a!, e.float(alpha as number)]);
  return e.op("MatMul", [transA ? swapLast(e, scaled) : scaled, transB ? swapLast(e, b!) : b!]);
});
