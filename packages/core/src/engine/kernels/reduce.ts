// Kernels of TensorFlow.js that sum up or pick along axes.

import type { Emitter } from "../emit.js";
import type { Attrs, DType, Node, Value } from "../graph.js";
import { defineKernel } from "../kernel.js";
import { axesOf, reduced } from "./shapes.js";

function emitReduction(onnx: string, x: string, value: Value, node: Node, e: Emitter): string {
  const axes = reducedAxes(node.attrs, value.shape.length);
  if (axes.length === 0) return e.op("Identity", [x]);
  return e.op(onnx, [x, e.ints(axes)], { keepdims: node.attrs.keepDims ? 1n : 0n });
}

/** A largest or smallest float. ONNX Runtime passes over a NaN; TensorFlow.js gives it. */
function emitExtreme(onnx: string, x: string, value: Value, node: Node, e: Emitter): string {
  const extreme = emitReduction(onnx, x, value, node, e);
  const nans = e.cast(e.op("IsNaN", [x]), "int32");
  const hasNaN = e.cast(emitReduction("ReduceMax", nans, value, node, e), "bool");
  return e.op("Where", [hasNaN, e.float(Number.NaN), extreme]);
}

/** The axes that are reduced; `Max` alone has another name for them. */
function reducedAxes({ axis, reductionIndices }: Attrs, rank: number): number[] {
  return axesOf(axis ?? reductionIndices, rank);
}

/** A reduction keeps rows apart when the leading axis stays. */
function reductionRows(node: Node): readonly string[] | undefined {
  return reducedAxes(node.attrs, node.inputs.x!.shape.length).includes(0) ? undefined : ["x"];
}

const REDUCTIONS = { Sum: "ReduceSum", Mean: "ReduceMean", Max: "ReduceMax", Min: "ReduceMin", Prod: "ReduceProd" };
for (const [name, onnx] of Object.entries(REDUCTIONS)) {
  /** What is computed with: bool operands count as 0 and 1, and a mean is never of integers. */
  const computed = (dtype: DType): DType => (name === "Mean" ? "float32" : dtype === "bool" ? "int32" : dtype);
  defineKernel({
    name,
    infer: ({ x }, attrs) => ({
      shape: reduced(x!.shape, reducedAxes(attrs, x!.shape.length), Boolean(attrs.keepDims)),
      dtype: computed(x!.dtype),
    }),
    emit: (node, e) => {
      const x = node.inputs.x!;
      const dtype = computed(x.dtype);
      const numbers = x.dtype === dtype ? e.of(x) : e.cast(e.of(x), dtype);
      const isExtreme = (name === "Max" || name === "Min") && dtype === "float32";
      return (isExtreme ? emitExtreme : emitReduction)(onnx, numbers, x, node, e);
    },
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
  name: "Cumprod",
  infer: ({ x }) => x!,
  emit: ({ inputs, attrs }, e) => {
    // ONNX has none: each element times the one 1, 2, 4, ... places before it, in log2(length) rounds.
    const { shape, dtype } = inputs.x!;
    const [axis] = axesOf(attrs.axis, shape.length) as [number];
    const length = shape[axis]!;
    const one = dtype === "int32" ? e.int(1) : e.float(1);
    const at = (x: string, from: number, to: number, step = 1): string =>
      e.op("Slice", [x, e.ints([from]), e.ints([to]), e.ints([axis]), e.ints([step])]);
    const turn = (x: string): string => (attrs.reverse ? at(x, -1, -(2 ** 31), -1) : x);
    const later = (x: string, by: number): string => {
      const ones = e.op("Expand", [one, e.ints(shape.map((d, i) => (i === axis ? by : d)))]);
      return e.op("Concat", [ones, at(x, 0, length - by)], { axis: BigInt(axis) });
    };
    let product = turn(e.of(inputs.x!));
    if (attrs.exclusive) product = later(product, 1);
    for (let by = 1; by < length; by *= 2) product = e.op("Mul", [product, later(product, by)]);
    return turn(product);
  },
});
