// Matrix products of TensorFlow.js. A product of two matrices is a Gemm, which reads its operands transposed for free;
// batches go through ONNX Runtime's FusedMatMul.

import { defineKernel } from "../kernel.js";
import { broadcast } from "./shapes.js";

defineKernel({
  name: "BatchMatMul",
  infer: ({ a, b }, { transposeA, transposeB }) => {
    const rows = a!.shape.at(transposeA ? -1 : -2)!;
    const columns = b!.shape.at(transposeB ? -2 : -1)!;
    return { shape: [...broadcast(a!.shape.slice(0, -2), b!.shape.slice(0, -2)), rows, columns], dtype: a!.dtype };
  },
  emit: ({ inputs, attrs, outputs }, e) => {
    const a = inputs.a!;
    const b = inputs.b!;
    const [transA, transB] = [attrs.transposeA ? 1n : 0n, attrs.transposeB ? 1n : 0n];
    if (outputs[0]!.shape.slice(0, -2).every((d) => d === 1)) {
      const flatA = a.shape.length === 2 ? e.of(a) : e.reshape(e.of(a), a.shape.slice(-2));
      const flatB = b.shape.length === 2 ? e.of(b) : e.reshape(e.of(b), b.shape.slice(-2));
      const product = e.op("Gemm", [flatA, flatB], { transA, transB });
      return outputs[0]!.shape.length === 2 ? product : e.reshape(product, outputs[0]!.shape);
    }
    if (transA === 0n && transB === 0n) return e.op("MatMul", [e.of(a), e.of(b)]);
    return e.op("FusedMatMul", [e.of(a), e.of(b)], { transA, transB, alpha: 1 }, "com.microsoft");
  },
});
