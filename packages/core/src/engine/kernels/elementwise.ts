// Elementwise kernels of TensorFlow.js: one output element from the elements at the same place of each operand.

import type { Emitter } from "../emit.js";
import type { Attrs, DType, Node, Value } from "../graph.js";
import { sizeOf } from "../graph.js";
import { defineKernel } from "../kernel.js";
import { broadcast } from "./shapes.js";

/** The operands of an elementwise node that have a row for each row of the output; the others are broadcast over rows. */
export function elementwiseRows(node: Node): readonly string[] {
  const output = node.outputs[0]!;
  return Object.entries(node.inputs)
    .filter(([, value]) => value.shape.length === output.shape.length && value.shape[0] === output.shape[0])
    .map(([name]) => name);
}

/** A binary kernel that is one ONNX operator of the same operand types. */
function binary(name: string, onnx: string, dtype?: DType): void {
  defineKernel({
    name,
    infer: ({ a, b }) => ({ shape: broadcast(a!.shape, b!.shape), dtype: dtype ?? a!.dtype }),
    emit: ({ inputs }, e) => e.op(onnx, [e.of(inputs.a!), e.of(inputs.b!)]),
    rows: elementwiseRows,
  });
}

binary("Add", "Add");
binary("Sub", "Sub");
binary("Multiply", "Mul");
binary("RealDiv", "Div");
binary("Pow", "Pow");
binary("Maximum", "Max");
binary("Minimum", "Min");
binary("Greater", "Greater", "bool");
binary("GreaterEqual", "GreaterOrEqual", "bool");
binary("Less", "Less", "bool");
binary("LessEqual", "LessOrEqual", "bool");
binary("LogicalAnd", "And", "bool");
binary("LogicalOr", "Or", "bool");

type Compose = (x: string, e: Emitter, attrs: Attrs, value: Value) => string;

function unary(name: string, compose: Compose, dtype?: DType): void {
  defineKernel({
    name,
    infer: ({ x }) => ({ shape: x!.shape, dtype: dtype ?? x!.dtype }),
    emit: ({ inputs, attrs }, e) => compose(e.of(inputs.x!), e, attrs, inputs.x!),
    rows: elementwiseRows,
  });
}

for (const name of ["Abs", "Neg", "Exp", "Log", "Sqrt", "Reciprocal", "Sin", "Cos", "Tan", "Tanh", "Sigmoid", "Erf"]) {
  unary(name, (x, e) => e.op(name, [x]));
}
for (const name of ["Floor", "Ceil", "Round", "Sign", "Softplus", "Relu"]) unary(name, (x, e) => e.op(name, [x]));

unary("Square", (x, e) => e.op("Mul", [x, x]));
unary("Rsqrt", (x, e) => e.op("Reciprocal", [e.op("Sqrt", [x])]));
unary("Log1p", (x, e) => e.op("Log", [e.op("Add", [x, e.float(1)])]));
unary("Expm1", (x, e) => e.op("Sub", [e.op("Exp", [x]), e.float(1)]));
unary("LogicalNot", (x, e) => e.op("Not", [x]));
unary("Relu6", (x, e) => e.op("Clip", [x, e.float(0), e.float(6)]));
unary("Elu", (x, e) => e.op("Elu", [x], { alpha: 1 }));
unary("LeakyRelu", (x, e, { alpha }) => e.op("LeakyRelu", [x], { alpha: alpha as number }));
unary("ClipByValue", (x, e, { clipValueMin, clipValueMax }) =>
  e.op("Clip", [x, e.float(clipValueMin as number), e.float(clipValueMax as number)]),
);
unary("Step", (x, e, { alpha }) => {
  // 1 where x > 0, `alpha` elsewhere, and NaN stays NaN, as TensorFlow.js has it.
  const positive = e.op("Where", [e.op("Greater", [x, e.float(0)]), e.float(1), e.float((alpha as number) ?? 0)]);
  return e.op("Where", [e.op("IsNaN", [x]), x, positive]);
});
unary("IsNan", (x, e) => e.op("IsNaN", [x]), "bool");
unary("IsFinite", (x, e) => e.op("Equal", [e.op("Sub", [x, x]), e.float(0)]), "bool");
unary("Identity", (x, e) => e.op("Identity", [x]));
unary("StopGradient", (x, e) => e.op("Identity", [x]));

for (const [name, equal] of [["Equal", true] as const, ["NotEqual", false] as const]) {
  defineKernel({
    name,
    infer: ({ a, b }) => ({ shape: broadcast(a!.shape, b!.shape), dtype: "bool" }),
    emit: ({ inputs }, e) => {
      const same = e.op("Equal", [e.of(inputs.a!), e.of(inputs.b!)]);
      return equal ? same : e.op("Not", [same]);
    },
    rows: elementwiseRows,
  });
}

defineKernel({
  name: "SquaredDifference",
  infer: ({ a, b }) => ({ shape: broadcast(a!.shape, b!.shape), dtype: a!.dtype }),
  emit: ({ inputs }, e) => {
    const difference = e.op("Sub", [e.of(inputs.a!), e.of(inputs.b!)]);
    return e.op("Mul", [difference, difference]);
  },
  rows: elementwiseRows,
});

defineKernel({
  name: "FloorDiv",
  infer: ({ a, b }) => ({ shape: broadcast(a!.shape, b!.shape), dtype: a!.dtype }),
  emit: ({ inputs }, e) => {
    // ONNX divides integers towards zero; through float32, which is exact for the magnitudes that shapes and ids have.
    const [a, b] = [inputs.a!, inputs.b!].map((v) => (v.dtype === "float32" ? e.of(v) : e.cast(e.of(v), "float32")));
    const floor = e.op("Floor", [e.op("Div", [a!, b!])]);
    return inputs.a!.dtype === "float32" ? floor : e.cast(floor, "int32");
  },
  rows: elementwiseRows,
});

defineKernel({
  name: "Cast",
  infer: ({ x }, { dtype }) => ({ shape: x!.shape, dtype: dtype as DType }),
  emit: ({ inputs, attrs }, e) => {
    const x = inputs.x!;
    if (x.dtype === attrs.dtype) return e.op("Identity", [e.of(x)]);
    return e.cast(e.of(x), attrs.dtype as DType);
  },
  rows: elementwiseRows,
});

defineKernel({
  name: "AddN",
  infer: (inputs) => Object.values(inputs)[0]!,
  emit: ({ inputs }, e) =>
    Object.values(inputs)
      .map((value) => e.of(value))
      .reduce((sum, next) => e.op("Add", [sum, next])),
  rows: elementwiseRows,
});

defineKernel({
  name: "Select",
  infer: ({ t }) => ({ shape: t!.shape, dtype: t!.dtype }),
  emit: ({ inputs }, e) => {
    const { condition, t, e: otherwise } = inputs as Record<string, Value>;
    let test = e.of(condition!);
    // A condition over the leading axis alone applies to whole rows.
    if (condition!.shape.length === 1 && t!.shape.length > 1) {
      test = e.reshape(test, [condition!.shape[0]!, ...t!.shape.slice(1).map(() => 1)]);
    }
    if (t!.dtype !== "bool") return e.op("Where", [test, e.of(t!), e.of(otherwise!)]);
    const chosen = e.op("Where", [test, e.cast(e.of(t!), "int32"), e.cast(e.of(otherwise!), "int32")]);
    return e.cast(chosen, "bool");
  },
});

/** A tensor of one number repeated, written as an expansion so that the model stays small. */
export function emitFill(e: Emitter, value: number, shape: readonly number[], dtype: DType): string {
  const one =
    dtype === "float32"
      ? e.float(value)
      : dtype === "int32"
        ? e.int(value)
        : e.constant("bool", [], Uint8Array.of(value ? 1 : 0));
  return sizeOf(shape) === 1 && shape.length === 0 ? e.op("Identity", [one]) : e.op("Expand", [one, e.ints(shape)]);
}

defineKernel({
  name: "Fill",
  infer: (_, { shape, dtype, value }) => ({
    shape: shape as number[],
    dtype: (dtype as DType) ?? (typeof value === "boolean" ? "bool" : "float32"),
  }),
  emit: ({ attrs, outputs }, e) => emitFill(e, Number(attrs.value), outputs[0]!.shape, outputs[0]!.dtype),
});

for (const [name, value] of [["ZerosLike", 0] as const, ["OnesLike", 1] as const]) {
  defineKernel({
    name,
    infer: ({ x }) => ({ shape: x!.shape, dtype: x!.dtype }),
    emit: ({ outputs }, e) => emitFill(e, value, outputs[0]!.shape, outputs[0]!.dtype),
  });
}
