// Kernels of TensorFlow.js that move elements without computing with them.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../../errors.js";
import type { Emitter } from "../emit.js";
import { type Attrs, type Node, type Spec, sizeOf, type Value } from "../graph.js";
import { defineKernel } from "../kernel.js";
import { axesOf, axisOf } from "./shapes.js";

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
    shape.splice(axisOf(dim, shape.length + 1), 0, 1);
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
    const at = axisOf(axis, first.shape.length);
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
    shape.splice(axisOf(axis, shape.length + 1), 0, list.length);
    return { shape, dtype: list[0]!.dtype };
  },
  emit: (node, e) => {
    const axis = axisOf(node.attrs.axis, node.outputs[0]!.shape.length);
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
    const at = axisOf(axis, value!.shape.length);
    const shape = value!.shape.filter((_, i) => i !== at);
    return Array.from({ length: value!.shape[at]! }, () => ({ shape, dtype: value!.dtype }));
  },
  emit: ({ inputs, attrs, outputs }, e) => {
    const value = inputs.value!;
    const axis = axisOf(attrs.axis, value.shape.length);
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
    const at = axisOf(axis, x!.shape.length);
    return splitSizes(x!.shape[at]!, numOrSizeSplits).map((size) => ({
      shape: x!.shape.map((d, i) => (i === at ? size : d)),
      dtype: x!.dtype,
    }));
  },
  emit: ({ inputs, attrs, outputs }, e) => {
    const x = inputs.x!;
    const at = axisOf(attrs.axis, x.shape.length);
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
    const x = inputs.x!;
    const fill = Number(attrs.constantValue);
    const operand = x.dtype === "bool" ? e.cast(e.of(x), "int32") : e.of(x);
    const value = x.dtype === "float32" ? e.float(fill) : e.int(fill);
    const padded = e.op("Pad", [operand, pads, value], { mode: "constant" });
    return x.dtype === "bool" ? e.cast(padded, "bool") : padded;
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
  name: "Reverse",
  infer: ({ x }) => x!,
  emit: ({ inputs, attrs }, e) => {
    const axes = axesOf(attrs.dims, inputs.x!.shape.length);
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
  name: "MirrorPad",
  infer: ({ x }, { paddings }) => ({
    shape: x!.shape.map((d, i) => d + sum((paddings as [number, number][])[i]!)),
    dtype: x!.dtype,
  }),
  emit: ({ inputs, attrs }, e) => {
    // ONNX mirrors without repeating the edge only; positions taken along each axis serve both ways.
    const edge = attrs.mode === "symmetric" ? 1 : 0;
    return inputs.x!.shape.reduce((name, length, axis) => {
      const padding = (attrs.paddings as [number, number][])[axis]!;
      if (sum(padding) === 0) return name;
      const positions = Int32Array.from({ length: length + sum(padding) }, (_, i) => {
        const at = i - padding[0];
        if (at < 0) return -at - edge;
        return at < length ? at : 2 * (length - 1) - at + edge;
      });
      const indices = e.constant("int32", [positions.length], new Uint8Array(positions.buffer));
      return e.op("Gather", [name, indices], { axis: BigInt(axis) });
    }, e.of(inputs.x!));
  },
});

function sum([before, after]: [number, number]): number {
  return before + after;
}

/** What a strided slice takes, after TensorFlow.js's rules for its masks. */
function sliceInfo({ shape }: Spec, attrs: Attrs): ReturnType<typeof tf.slice_util.sliceInfo> {
  const { begin, end, strides } = attrs as Record<string, number[]>;
  const { beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask } = attrs as Record<string, number>;
  return tf.slice_util.sliceInfo(
    [...shape],
    begin!,
    end!,
    strides!,
    beginMask!,
    endMask!,
    ellipsisMask!,
    newAxisMask!,
    shrinkAxisMask!,
  );
}

defineKernel({
  name: "StridedSlice",
  infer: ({ x }, attrs) => ({ shape: sliceInfo(x!, attrs).finalShape, dtype: x!.dtype }),
  emit: ({ inputs, attrs, outputs }, e) => {
    const { begin, end, strides, isIdentity } = sliceInfo(inputs.x!, attrs);
    if (isIdentity) return e.reshape(e.of(inputs.x!), outputs[0]!.shape);
    // An end before the first element, which a negative step needs, is -1 here and the last element in ONNX.
    const ends = end.map((to, i) => (strides[i]! < 0 && to < 0 ? -(2 ** 31) : to));
    const axes = begin.map((_, i) => i);
    const taken = e.op("Slice", [e.of(inputs.x!), e.ints(begin), e.ints(ends), e.ints(axes), e.ints(strides)]);
    return e.reshape(taken, outputs[0]!.shape);
  },
});
