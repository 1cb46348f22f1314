// Elementwise kernels of TensorFlow.js: one output element from the elements at the same place of each operand.

import type { Emitter } from "../emit.js";
import type { Attrs, DType, Node, Value } from "../graph.js";
import { defineKernel } from "../kernel.js";
import { broadcast } from "./shapes.js";

/** The operands of an elementwise node that have a row for each row of the output; the others are broadcast over rows. */
export function elementwiseRows(node: Node): readonly string[] {
  const output = node.outputs[0]!;
  return Object.entries(node.inputs)
    .filter(([, value]) => value.shape.length === output.shape.length && value.shape[0] === output.shape[0])
    .map(([name]) => name);
}

type Broadcast = (a: string, b: string, e: Emitter, dtype: DType) => string;

/** A binary kernel over operands of one type. ONNX computes with numbers only: bool operands count as 0 and 1. */
function binary(name: string, compose: string | Broadcast, dtype?: DType): void {
  const emit: Broadcast = typeof compose === "string" ? (a, b, e) => e.op(compose, [a, b]) : compose;
  defineKernel({
    name,
    infer: ({ a, b }) => ({ shape: broadcast(a!.shape, b!.shape), dtype: dtype ?? a!.dtype }),
    emit: ({ inputs, outputs }, e) => {
      const { a, b } = inputs as { a: Value; b: Value };
      if (a.dtype !== "bool") return emit(e.of(a), e.of(b), e, a.dtype);
      const y = emit(e.cast(e.of(a), "int32"), e.cast(e.of(b), "int32"), e, "int32");
      return outputs[0]!.dtype === "bool" && !dtype ? e.cast(y, "bool") : y;
    },
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
binary("Equal", "Equal", "bool");
binary("NotEqual", (a, b, e) => e.op("Not", [e.op("Equal", [a, b])]), "bool");
binary("SquaredDifference", (a, b, e) => {
  const difference = e.op("Sub", [a, b]);
  return e.op("Mul", [difference, difference]);
});
binary(
  "FloorDiv",
  (a, b, e, dtype) => {
    if (dtype === "float32") return e.cast(e.op("Floor", [e.op("Div", [a, b])]), "int32");
    // ONNX divides integers towards zero; a division by zero, and that of the lowest number by -1, would end the process.
    const byZero = e.op("Equal", [b, e.int(0)]);
    const negated = e.op("Equal", [b, e.int(-1)]);
    const divisor = e.op("Where", [e.op("Or", [byZero, negated]), e.int(1), b]);
    const quotient = e.op("Div", [a, divisor]);
    const rest = e.op("Sub", [a, e.op("Mul", [quotient, divisor])]);
    const sameSign = e.op("Equal", [e.op("Less", [rest, e.int(0)]), e.op("Less", [divisor, e.int(0)])]);
    const isWhole = e.op("Or", [sameSign, e.op("Equal", [rest, e.int(0)])]);
    const floor = e.op("Where", [isWhole, quotient, e.op("Sub", [quotient, e.int(1)])]);
    // By zero TensorFlow.js has 0.
    return e.op("Where", [byZero, e.int(0), e.op("Where", [negated, e.op("Neg", [a]), floor])]);
  },
  "int32",
);
binary("Mod", (a, b, e, dtype) => {
  // The remainder has the divisor's sign, as in Python.
  if (dtype === "int32") {
    // An integer remainder by zero would end the process; TensorFlow.js has 0 there.
    const divisor = e.op("Where", [e.op("Equal", [b, e.int(0)]), e.int(1), b]);
    return e.op("Mod", [a, divisor], { fmod: 0n });
  }
  const rest = e.op("Mod", [a, b], { fmod: 1n });
  const alike = e.op("Equal", [e.op("Less", [a, e.float(0)]), e.op("Less", [b, e.float(0)])]);
  const done = e.op("Or", [alike, e.op("Equal", [rest, e.float(0)])]);
  return e.op("Where", [done, rest, e.op("Add", [rest, b])]);
});

for (const [name, onnx] of [["LogicalAnd", "And"] as const, ["LogicalOr", "Or"] as const]) {
  defineKernel({
    name,
    infer: ({ a, b }) => ({ shape: broadcast(a!.shape, b!.shape), dtype: "bool" }),
    emit: ({ inputs }, e) => e.op(onnx, [e.of(inputs.a!), e.of(inputs.b!)]),
    rows: elementwiseRows,
  });
}

defineKernel({
  name: "Prelu",
  infer: ({ x, alpha }) => ({ shape: broadcast(x!.shape, alpha!.shape), dtype: "float32" }),
  emit: ({ inputs }, e) => {
    const x = e.of(inputs.x!);
    return e.op("Where", [e.op("Less", [x, e.float(0)]), e.op("Mul", [e.of(inputs.alpha!), x]), x]);
  },
  rows: elementwiseRows,
});

type Compose = (x: string, e: Emitter, attrs: Attrs) => string;

/**
 * A unary kernel. What ONNX has for floats alone is computed in float32 and cast back, as TensorFlow.js does with integers.
 *
 * @param dtype of the output where it is not the input's
 * @param integers whether `compose` takes int32 as well
 */
function unary(
  name: string,
  compose: Compose,
  { dtype, integers = false }: { dtype?: DType; integers?: boolean } = {},
) {
  defineKernel({
    name,
    infer: ({ x }) => ({ shape: x!.shape, dtype: dtype ?? x!.dtype }),
    emit: ({ inputs, attrs }, e) => {
      const x = inputs.x!;
      if (x.dtype === "float32" || (integers && x.dtype === "int32")) return compose(e.of(x), e, attrs);
      const y = compose(e.cast(e.of(x), "float32"), e, attrs);
      return dtype ? y : e.cast(y, x.dtype);
    },
    rows: elementwiseRows,
  });
}

for (const name of ["Abs", "Neg", "Sign", "Relu"]) unary(name, (x, e) => e.op(name, [x]), { integers: true });
for (const name of ["Floor", "Ceil", "Round", "Reciprocal", "Sqrt", "Log", "Sigmoid", "Erf", "Softplus", "Selu"]) {
  unary(name, (x, e) => e.op(name, [x]));
}
for (const name of ["Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Tanh", "Asinh", "Acosh", "Atanh"]) {
  unary(name, (x, e) => e.op(name, [x]));
}
unary("Exp", (x, e) => e.op("Exp", [x]), { dtype: "float32" });
unary("Square", (x, e) => e.op("Mul", [x, x]), { integers: true });
unary("Rsqrt", (x, e) => e.op("Reciprocal", [e.op("Sqrt", [x])]));
unary("Log1p", (x, e) => {
  // log(1 + x) loses the digits of a small x; with u = 1 + x rounded, log(u) x / (u - 1) has them (Kahan).
  const u = e.op("Add", [x, e.float(1)]);
  const log = e.op("Log", [u]);
  const difference = e.op("Sub", [u, e.float(1)]);
  const corrected = e.op("Mul", [log, e.op("Div", [x, difference])]);
  const large = e.op("Where", [e.op("Equal", [difference, x]), log, corrected]);
  return e.op("Where", [e.op("Equal", [difference, e.float(0)]), x, large]);
});
unary("Expm1", (x, e) => {
  // exp(x) - 1 loses the digits of a small x; with t = tanh(x / 2) it is 2 t / (1 - t).
  const t = e.op("Tanh", [e.op("Mul", [x, e.float(0.5)])]);
  const small = e.op("Div", [e.op("Add", [t, t]), e.op("Sub", [e.float(1), t])]);
  const near = e.op("Less", [e.op("Abs", [x]), e.float(0.5)]);
  return e.op("Where", [near, small, e.op("Sub", [e.op("Exp", [x]), e.float(1)])]);
});
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
unary("IsNan", (x, e) => e.op("IsNaN", [x]), { dtype: "bool" });
unary("IsInf", (x, e) => e.op("Equal", [e.op("Abs", [x]), e.float(Number.POSITIVE_INFINITY)]), { dtype: "bool" });
unary("IsFinite", (x, e) => e.op("Equal", [e.op("Sub", [x, x]), e.float(0)]), { dtype: "bool" });

defineKernel({
  name: "LogicalNot",
  infer: ({ x }) => ({ shape: x!.shape, dtype: "bool" }),
  emit: ({ inputs }, e) => e.op("Not", [e.of(inputs.x!)]),
  rows: elementwiseRows,
});

defineKernel({
  name: "Identity",
  infer: ({ x }) => x!,
  emit: ({ inputs }, e) => e.op("Identity", [e.of(inputs.x!)]),
  rows: elementwiseRows,
});

defineKernel({
  name: "EluGrad",
  infer: ({ y }) => y!,
  emit: ({ inputs }, e) => {
    // y = exp(x) - 1 below zero, whose derivative is y + 1.
    const [dy, y] = [e.of(inputs.dy!), e.of(inputs.y!)];
    const below = e.op("Mul", [dy, e.op("Add", [y, e.float(1)])]);
    return e.op("Where", [e.op("Less", [y, e.float(0)]), below, dy]);
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

defineKernel({
  name: "FusedBatchNorm",
  infer: ({ x }) => x!,
  emit: ({ inputs, attrs }, e) => {
    const { x, mean, variance, scale, offset } = inputs;
    const shifted = e.op("Add", [e.of(variance!), e.float((attrs.varianceEpsilon as number) ?? 0.001)]);
    const centred = e.op("Sub", [e.of(x!), e.of(mean!)]);
    const scaled = scale ? e.op("Mul", [centred, e.of(scale)]) : centred;
    const normal = e.op("Div", [scaled, e.op("Sqrt", [shifted])]);
    return offset ? e.op("Add", [normal, e.of(offset)]) : normal;
  },
  rows: elementwiseRows,
});
