// Matrix products of TensorFlow.js. A product of two matrices is a Gemm, which reads its operands transposed for free;
// batches go through ONNX Runtime's FusedMatMul.

import type { Emitter } from "../emit.js";
import type { Attrs, Node, Spec, Value } from "../graph.js";
import { defineKernel } from "../kernel.js";
import { broadcast } from "./shapes.js";

function infer({ a, b }: Readonly<Record<string, Spec>>, { transposeA, transposeB }: Attrs): Spec {
  const rows = a!.shape.at(transposeA ? -1 : -2)!;
  const columns = b!.shape.at(transposeB ? -2 : -1)!;
  return { shape: [...broadcast(a!.shape.slice(0, -2), b!.shape.slice(0, -2)), rows, columns], dtype: a!.dtype };
}

function swapLast(e: Emitter, value: Value): string {
  const rank = value.shape.length;
  const perm = Array.from({ length: rank }, (_, i) => BigInt(i < rank - 2 ? i : 2 * rank - 3 - i));
  return e.op("Transpose", [e.of(value)], { perm });
}

function emitProduct({ inputs, attrs, outputs }: Node, e: Emitter): string {
  const { a, b } = inputs as { a: Value; b: Value };
  if (a.dtype !== "float32") {
    // Gemm and FusedMatMul are for floats.
    return e.op("MatMul", [attrs.transposeA ? swapLast(e, a) : e.of(a), attrs.transposeB ? swapLast(e, b) : e.of(b)]);
  }
  const [transA, transB] = [attrs.transposeA ? 1n : 0n, attrs.transposeB ? 1n : 0n];
  const { shape } = outputs[0]!;
  if (shape.slice(0, -2).every((d) => d === 1)) {
    const flatA = a.shape.length === 2 ? e.of(a) : e.reshape(e.of(a), a.shape.slice(-2));
    const flatB = b.shape.length === 2 ? e.of(b) : e.reshape(e.of(b), b.shape.slice(-2));
    const product = e.op("Gemm", [flatA, flatB], { transA, transB });
    return shape.length === 2 ? product : e.reshape(product, shape);
  }
  if (transA === 0n && transB === 0n) return e.op("MatMul", [e.of(a), e.of(b)]);
  return e.op("FusedMatMul", [e.of(a), e.of(b)], { transA, transB, alpha: 1 }, "com.microsoft");
}

defineKernel({ name: "BatchMatMul", infer, emit: emitProduct });

defineKernel({
  name: "_FusedMatMul",
  infer,
  emit: (node, e) => {
    const { bias, preluActivationWeights: slope } = node.inputs;
    const product = emitProduct(node, e);
    const y = bias ? e.op("Add", [product, e.of(bias)]) : product;
    const below = (otherwise: string): string => e.op("Where", [e.op("Less", [y, e.float(0)]), otherwise, y]);
    switch (node.attrs.activation) {
      case "relu":
        return e.op("Relu", [y]);
      case "relu6":
        return e.op("Clip", [y, e.float(0), e.float(6)]);
      case "elu":
        return e.op("Elu", [y], { alpha: 1 });
      case "sigmoid":
        return e.op("Sigmoid", [y]);
      case "leakyrelu":
        return e.op("LeakyRelu", [y], { alpha: node.attrs.leakyreluAlpha as number });
      case "prelu":
        return below(e.op("Mul", [y, e.of(slope!)]));
      default:
        return y;
    }
  },
});
