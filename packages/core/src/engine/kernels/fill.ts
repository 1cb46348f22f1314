// Kernels of TensorFlow.js that make numbers from nothing but their attributes.

import type { Emitter } from "../emit.js";
import { type DType, sizeOf } from "../graph.js";
import { defineKernel } from "../kernel.js";

/** A tensor of one number repeated, written as an expansion so that the model stays small. */
function emitFill(e: Emitter, value: number, shape: readonly number[], dtype: DType): string {
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

/** `length` numbers from `start` on; each is rounded before the step is added, as TensorFlow.js does. */
function emitSteps(e: Emitter, start: number, step: number, length: number, dtype: DType): string {
  const numbers = dtype === "int32" ? new Int32Array(length) : new Float32Array(length);
  if (length > 0) numbers[0] = start;
  for (let i = 1; i < length; i++) numbers[i] = numbers[i - 1]! + step;
  return e.op("Identity", [e.constant(dtype, [length], new Uint8Array(numbers.buffer))]);
}

/** TensorFlow.js counts down from `start` where `stop` is below it and the step was left at 1. */
function stepOf(start: number, stop: number, step: number): number {
  return stop < start && step === 1 ? -1 : step;
}

defineKernel({
  name: "Range",
  infer: (_, attrs) => {
    const { start, stop, step } = attrs as { start: number; stop: number; step: number };
    const length = Math.ceil((stop - start) / stepOf(start, stop, step));
    return { shape: [Math.max(0, length)], dtype: (attrs.dtype as "float32" | "int32") ?? "float32" };
  },
  emit: ({ attrs, outputs }, e) => {
    const { start, stop, step } = attrs as { start: number; stop: number; step: number };
    const { shape, dtype } = outputs[0]!;
    return emitSteps(e, start, stepOf(start, stop, step), shape[0]!, dtype);
  },
});

defineKernel({
  name: "LinSpace",
  infer: (_, { num }) => ({ shape: [num as number], dtype: "float32" }),
  emit: ({ attrs }, e) => {
    const { start, stop, num } = attrs as { start: number; stop: number; num: number };
    return emitSteps(e, start, (stop - start) / (num - 1), num, "float32");
  },
});
