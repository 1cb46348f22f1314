// Kernels of TensorFlow.js that move elements without computing with them.

import { PeftError } from "../../errors.js";
import type { Emitter } from "../emit.js";
import { type Node, sizeOf, type Value } from "../graph.js";
import { defineKernel } from "../kernel.js";
import { broadcast } from "./shapes.js";

/** The operands of a list input (`0`, `1`, ...), in order. */
function listOf(node: { readonly inputs: Readonly<Record<string, Value>> }): Value[] {
  return Object.keys(node.inputs)
    .sort((a, b) => Number(a) - Number(b))
    .map((name) => node.inputs[name]!);
}

function emitReshape(node: Node, e: Emitter): string {
  return e.reshape(e.of(node.inputs.x ?? node.inputs.input!), node.outputs[0]!.shape);
}

defineKernel({
  name: "Reshape",
  infer: ({ x }, { shape }) => {
    const wanted = [...(shape as number[])];
    const free = wanted.indexOf(-1);
    if (free >= 0) wanted[free] = sizeOf(x!.shape) / -sizeOf(wanted);
    if (sizeOf(wanted) !== sizeOf(x!.shape)) {
      throw new PeftError("SHAPE_MISMATCH", `cannot reshape [${x!.shape}] to [${wanted}]`);
    }
    return { shape: wanted, dtype: x!.dtype };
  },
  emit: emitReshape,
});

defineKernel({
  name: "ExpandDims",
  infer: ({ input }, { dim }) => {
    const shape = [...input!.shape];
    const at = (dim as number) < 0 ? shape.length + 1 + (dim as number) : (dim as number);
    shape.splice(at, 0, 1);
    return { shape, dtype: input!.dtype };
  },
  emit: emitReshape,
});

defineKernel({
  name: "Transpose",
  infer: ({ x }, { perm }) => ({ shape: (perm as number[]).map((axis) => x!.shape[axis]!), dtype: x!.dtype }),
  emit: ({ inputs, attrs }, e) => e.op("Transpose", [e.of(inputs.x!)], { perm: (attrs.perm as number[]).map(BigInt) }),
  rows: (node) => ((node.attrs.perm as number[])[0] === 0 ? ["x"] : undefined),
});

/** Elements `begin` up to `end` of every axis. */
export function emitSlice(e: Emitter, name: string, begin: readonly number[], end: readonly number[]): string {
  const axes = begin.map((_, i) => i);
  return e.op("Slice", [name, e.ints(begin), e.ints(end), e.ints(axes)]);
}

defineKernel({
  name: "Slice",
  infer: ({ x }, { begin, size }) => {
    const from = begin as number[];
    const shape = x!.shape.map((d, i) => {
      const length = (size as number[])[i] ?? -1;
      return length === -1 ? d - (from[i] ?? 0) : length;
    });
    return { shape, dtype: x!.dtype };
  },
  emit: ({ inputs, attrs, outputs }, e) => {
    const x = inputs.x!;
    const begin = x.shape.map((_, i) => (attrs.begin as number[])[i] ?? 0);
    // Axes that are taken whole are left out, which spares WebGPU and the reader.
    const cut = x.shape.map((_, i) => i).filter((i) => outputs[0]!.shape[i] !== x.shape[i]);
    if (cut.length === 0) return e.op("Identity", [e.of(x)]);
    const starts = cut.map((i) => begin[i]!);
    const ends = cut.map((i) => begin[i]! + outputs[0]!.shape[i]!);
    return e.op("Slice", [e.of(x), e.ints(starts), e.ints(ends), e.ints(cut)]);
  },
  rows: (node) => (node.outputs[0]!.shape[0] === node.inputs.x!.shape[0] ? ["x"] : undefined),
});

defineKernel({
  name: "Concat",
  infer: (inputs, { axis }) => {
    const list = Object.values(inputs).filter((spec) => sizeOf(spec.shape) > 0 || Object.keys(inputs).length === 1);
    const first = list[0] ?? Object.values(inputs)[0]!;
    const at = (axis as number) < 0 ? (axis as number) + first.shape.length : (axis as number);
    const total = list.reduce((sum, spec) => sum + spec.shape[at]!, 0);
    return { shape: first.shape.map((d, i) => (i === at ? total : d)), dtype: first.dtype };
  },
  emit: (node, e) => {
    const list = listOf(node).filter((value) => sizeOf(value.shape) > 0);
    const axis = BigInt(node.attrs.axis as number);
    return e.op(
      "Concat",
      (list.length > 0 ? list : listOf(node)).map((value) => e.of(value)),
      { axis },
    );
  },
  rows: (node) => ((node.attrs.axis as number) > 0 ? Object.keys(node.inputs) : undefined),
});

defineKernel({
  name: "Pack",
  infer: (inputs, { axis }) => {
    const list = Object.values(inputs);
    const shape = [...list[0]!.shape];
    shape.splice(axis as number, 0, list.length);
    return { shape, dtype: list[0]!.dtype };
  },
  emit: (node, e) => {
    const axis = node.attrs.axis as number;
    const parts = listOf(node).map((value) => {
      const shape = [...value.shape];
      shape.splice(axis, 0, 1);
      return e.reshape(e.of(value), shape);
    });
    return e.op("Concat", parts, { axis: BigInt(axis) });
  },
});

defineKernel({
  name: "Unpack",
  infer: ({ value }, { axis }) => {
    const at = (axis as number) < 0 ? (axis as number) + value!.shape.length : (axis as number);
    const shape = value!.shape.filter((_, i) => i !== at);
    return Array.from({ length: value!.shape[at]! }, () => ({ shape, dtype: value!.dtype }));
  },
  emit: ({ inputs, attrs, outputs }, e) => {
    const value = inputs.value!;
    const axis = (attrs.axis as number) < 0 ? (attrs.axis as number) + value.shape.length : (attrs.axis as number);
    return outputs.map((output, i) => {
      const part = e.op("Slice", [e.of(value), e.ints([i]), e.ints([i + 1]), e.ints([axis])]);
      return e.reshape(part, output.shape);
    });
  },
});

function splitSizes(length: number, split: unknown): number[] {
  if (typeof split === "number") return Array.from({ length: split }, () => length / split);
  const sizes = [...(split as number[])];
  const free = sizes.indexOf(-1);
  if (free >= 0) sizes[free] = length - sizes.reduce((sum, size) => sum + size, 1);
  return sizes;
}

defineKernel({
  name: "SplitV",
  infer: ({ x }, { numOrSizeSplits, axis }) => {
    const at = (axis as number) < 0 ? (axis as number) + x!.shape.length : (axis as number);
    return splitSizes(x!.shape[at]!, numOrSizeSplits).map((size) => ({
      shape: x!.shape.map((d, i) => (i === at ? size : d)),
      dtype: x!.dtype,
    }));
  },
  emit: ({ inputs, attrs, outputs }, e) => {
    const x = inputs.x!;
    const at = (attrs.axis as number) < 0 ? (attrs.axis as number) + x.shape.length : (attrs.axis as number);
    const sizes = outputs.map((output) => output.shape[at]!);
    return e.multi("Split", [e.of(x), e.ints(sizes)], outputs.length, { attributes: { axis: BigInt(at) } });
  },
});

defineKernel({
  name: "PadV2",
  infer: ({ x }, { paddings }) => ({
    shape: x!.shape.map((d, i) => {
      const [before, after] = (paddings as [number, number][])[i]!;
      return d + before + after;
    }),
    dtype: x!.dtype,
  }),
  emit: ({ inputs, attrs }, e) => {
    const paddings = attrs.paddings as [number, number][];
    const pads = e.ints([...paddings.map((p) => p[0]), ...paddings.map((p) => p[1])]);
    const fill = attrs.constantValue as number;
    const value = inputs.x!.dtype === "int32" ? e.int(fill) : e.float(fill);
    return e.op("Pad", [e.of(inputs.x!), pads, value], { mode: "constant" });
  },
});

defineKernel({
  name: "Tile",
  infer: ({ x }, { reps }) => ({ shape: x!.shape.map((d, i) => d * (reps as number[])[i]!), dtype: x!.dtype }),
  emit: ({ inputs, attrs, outputs }, e) => {
    const reps = attrs.reps as number[];
    const onlyOnes = inputs.x!.shape.every((d, i) => d === 1 || reps[i] === 1);
    if (onlyOnes) return e.op("Expand", [e.of(inputs.x!), e.ints(outputs[0]!.shape)]);
    return e.op("Tile", [e.of(inputs.x!), e.ints(reps)]);
  },
});

defineKernel({
  name: "BroadcastTo",
  infer: ({ x }, { shape }) => ({ shape: broadcast(x!.shape, shape as number[]), dtype: x!.dtype }),
  emit: ({ inputs, outputs }, e) => e.op("Expand", [e.of(inputs.x!), e.ints(outputs[0]!.shape)]),
});

defineKernel({
  name: "Reverse",
  infer: ({ x }) => x!,
  emit: ({ inputs, attrs }, e) => {
    const axes = (attrs.dims as number[]).map((d) => (d < 0 ? d + inputs.x!.shape.length : d));
    const ones = axes.map(() => -1);
    return e.op("Slice", [
      e.of(inputs.x!),
      e.ints(ones),
      e.ints(axes.map(() => -(2 ** 31))),
      e.ints(axes),
      e.ints(ones),
    ]);
  },
});

defineKernel({
  name: "GatherV2",
  infer: ({ x, indices }, { axis, batchDims }) => {
    const at = axis as number;
    const batch = (batchDims as number) ?? 0;
    return {
      shape: [...x!.shape.slice(0, at), ...indices!.shape.slice(batch), ...x!.shape.slice(at + 1)],
      dtype: x!.dtype,
    };
  },
  emit: ({ inputs, attrs, outputs }, e) => {
    const x = inputs.x!;
    const indices = inputs.indices!;
    const axis = attrs.axis as number;
    const batch = (attrs.batchDims as number) ?? 0;
    if (batch === 0) return e.op("Gather", [e.of(x), e.of(indices)], { axis: BigInt(axis) });
    // The batches are laid side by side on one axis, and each batch's indices are moved to its place.
    const groups = sizeOf(x.shape.slice(0, batch));
    const between = x.shape.slice(batch, axis);
    if (between.length > 0) {
      throw new PeftError("ENGINE_KERNEL_MISSING", "gather with batchDims below axis has no emission");
    }
    const length = x.shape[axis]!;
    const flat = e.reshape(e.of(x), [groups * length, ...x.shape.slice(axis + 1)]);
    const offsets = Int32Array.from({ length: groups }, (_, i) => i * length);
    const each = sizeOf(indices.shape.slice(batch));
    const moved = e.op("Add", [
      e.reshape(e.of(indices), [groups, each]),
      e.constant("int32", [groups, 1], new Uint8Array(offsets.buffer)),
    ]);
    const rows = e.op("Gather", [flat, moved], { axis: 0n });
    return e.reshape(rows, outputs[0]!.shape);
  },
});

defineKernel({
  name: "OneHot",
  infer: ({ indices }, { depth, dtype }) => ({
    shape: [...indices!.shape, depth as number],
    dtype: (dtype as "float32" | "int32") ?? "float32",
  }),
  emit: ({ inputs, attrs, outputs }, e) => {
    // ONNX's OneHot has no int32 kernel: a comparison with 0..depth-1 serves.
    const depth = attrs.depth as number;
    const range = Int32Array.from({ length: depth }, (_, i) => i);
    const classes = e.constant("int32", [depth], new Uint8Array(range.buffer));
    const column = e.reshape(e.of(inputs.indices!), [...inputs.indices!.shape, 1]);
    const hit = e.op("Equal", [column, classes]);
    const on = (attrs.onValue as number) ?? 1;
    const off = (attrs.offValue as number) ?? 0;
    const integer = outputs[0]!.dtype === "int32";
    return e.op("Where", [hit, integer ? e.int(on) : e.float(on), integer ? e.int(off) : e.float(off)]);
  },
});

defineKernel({
  name: "Range",
  infer: (_, { start, stop, step, dtype }) => ({
    shape: [Math.max(0, Math.ceil(((stop as number) - (start as number)) / (step as number)))],
    dtype: (dtype as "float32" | "int32") ?? "float32",
  }),
  emit: ({ attrs, outputs }, e) => {
    const { shape, dtype } = outputs[0]!;
    const at = (i: number): number => (attrs.start as number) + i * (attrs.step as number);
    const list = Array.from({ length: shape[0]! }, (_, i) => at(i));
    const numbers = dtype === "int32" ? Int32Array.from(list) : Float32Array.from(list);
    return e.op("Identity", [e.constant(dtype, shape, new Uint8Array(numbers.buffer))]);
  },
});
