// Kernels of TensorFlow.js that sum up or pick along axes.

import type { Emitter } from "../emit.js";
import type { Node, Value } from "../graph.js";
import { defineKernel } from "../kernel.js";
import { axesOf, reduced } from "./shapes.js";

function emitReduction(onnx: string, x: string, value: Value, node: Node, e: Emitter): string {
  const axes = axesOf(node.attrs.axis, value.shape.length);
  if (axes.length === 0) return e.op("Identity", [x]);
  return e.op(onnx, [x, e.ints(axes)], { keepdims: node.attrs.keepDims ? 1n : 0n });
}

/** A reduction keeps rows apart when the leading axis stays. */
function reductionRows(node: Node): readonly string[] | undefined {
  return axesOf(node.attrs.axis, node.inputs.x!.shape.length).includes(0) ? undefined : ["x"];
}

const REDUCTIONS = { Sum: "ReduceSum", Mean: "ReduceMean", Max: "ReduceMax", Min: "ReduceMin", Prod: "ReduceProd" };
for (const [name, onnx] of Object.entries(REDUCTIONS)) {
  defineKernel({
    name,
    infer: ({ x }, { axis, keepDims }) => ({
      shape: reduced(x!.shape, axesOf(axis, x!.shape.length), Boolean(keepDims)),
      dtype: x!.dtype === "bool" ? "int32" : x!.dtype,
    }),
    emit: (node, e) => emitReduction(onnx, e.of(node.inputs.x!), node.inputs.x!, node, e),
    rows: reductionRows,
    sumsRows: (node) => (name === "Sum" && !reductionRows(node) && !node.attrs.keepDims ? ["x"] : undefined),
  });
}

for (const [name, onnx] of [["Any", "ReduceMax"] as const, ["All", "ReduceMin"] as const]) {
  defineKernel({
    name,
    infer: ({ x }, { axis, keepDims }) => ({
      shape: reduced(x!.shape, axesOf(axis, x!.shape.length), Boolean(keepDims)),
      dtype: "bool",
    }),
    emit: (node, e) => {
      const numbers = e.cast(e.of(node.inputs.x!), "int32");
      return e.cast(emitReduction(onnx, numbers, node.inputs.x!, node, e), "bool");
    },
  });
}

for (const name of ["ArgMax", "ArgMin"]) {
  defineKernel({
    name,
    infer: ({ x }, { axis }) => ({ shape: reduced(x!.shape, axesOf(axis, x!.shape.length), false), dtype: "int32" }),
    emit: ({ inputs, attrs }, e) => {
      const [axis] = axesOf(attrs.axis, inputs.x!.shape.length);
      return e.cast(e.op(name, [e.of(inputs.x!)], { axis: BigInt(axis!), keepdims: 0n }), "int32");
    },
  });
}

defineKernel({
  name: "Softmax",
  infer: ({ logits }) => logits!,
  emit: ({ inputs, attrs }, e) => {
    const rank = inputs.logits!.shape.length;
    const axis = (attrs.dim as number) < 0 ? (attrs.dim as number) + rank : (attrs.dim as number);
    return e.op("Softmax", [e.of(inputs.logits!)], { axis: BigInt(axis) });
  },
});

defineKernel({
  name: "LogSoftmax",
  infer: ({ logits }) => logits!,
  emit: ({ inputs, attrs }, e) => {
    // Composed, because WebGPU has no LogSoftmax.
    const axes = e.ints(axesOf(attrs.axis ?? -1, inputs.logits!.shape.length));
    const logits = e.of(inputs.logits!);
    const shifted = e.op("Sub", [logits, e.op("ReduceMax", [logits, axes], { keepdims: 1n })]);
    const sum = e.op("ReduceSum", [e.op("Exp", [shifted]), axes], { keepdims: 1n });
    return e.op("Sub", [shifted, e.op("Log", [sum])]);
  },
});

defineKernel({
  name: "Cumsum",
  infer: ({ x }) => x!,
  emit: ({ inputs, attrs }, e) =>
    e.op(
      "CumSum",
      [e.of(inputs.x!), e.constant("int64", [], new Uint8Array(BigInt64Array.of(BigInt(attrs.axis as number)).buffer))],
      {
        exclusive: attrs.exclusive ? 1n : 0n,
        reverse: attrs.reverse ? 1n : 0n,
      },
    ),
});

defineKernel({
  name: "UnsortedSegmentSum",
  infer: ({ x }, { numSegments }) => ({ shape: [numSegments as number, ...x!.shape.slice(1)], dtype: x!.dtype }),
  emit: ({ inputs, outputs }, e) => {
    // ScatterElements adds in order; ScatterND loses updates on two threads.
    const x = inputs.x!;
    const ids = e.reshape(e.of(inputs.segmentIds!), [x.shape[0]!, ...x.shape.slice(1).map(() => 1)]);
    const indices = e.op("Expand", [ids, e.ints(x.shape)]);
    const zero = x.dtype === "int32" ? e.int(0) : e.float(0);
    const zeros = e.op("Expand", [zero, e.ints(outputs[0]!.shape)]);
    return e.op("ScatterElements", [zeros, indices, e.of(x)], { axis: 0n, reduction: "add" });
  },
});
