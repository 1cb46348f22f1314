// Kernels of TensorFlow.js that take or place elements by positions that are numbers themselves.

import { PeftError } from "../../errors.js";
import type { Emitter } from "../emit.js";
import { type Spec, sizeOf, type Value } from "../graph.js";
import { defineKernel } from "../kernel.js";
import { emitOutside, emitWithin } from "./positions.js";
import { axisOf } from "./shapes.js";

function intConstant(e: Emitter, values: readonly number[], shape: readonly number[]): string {
  return e.constant("int32", shape, new Uint8Array(Int32Array.from(values).buffer));
}

defineKernel({
  name: "GatherV2",
  infer: ({ x, indices }, { axis, batchDims }) => {
    const at = axisOf(axis, x!.shape.length);
    const batch = (batchDims as number) ?? 0;
    return {
      shape: [...x!.shape.slice(0, at), ...indices!.shape.slice(batch), ...x!.shape.slice(at + 1)],
      dtype: x!.dtype,
    };
  },
  emit: ({ inputs, attrs, outputs, scope }, e) => {
    const x = inputs.x!;
    const indices = inputs.indices!;
    const axis = axisOf(attrs.axis, x.shape.length);
    const batch = (attrs.batchDims as number) ?? 0;
    const length = x.shape[axis]!;
    const given = e.of(indices);
    if (batch === 0) {
      return e.op("Gather", [e.of(x), emitWithin(e, given, length, length)], { axis: BigInt(axis) });
    }
    // The batches are laid side by side on one axis, and each batch's indices are moved to its place.
    const groups = sizeOf(x.shape.slice(0, batch));
    if (axis !== batch) {
      throw new PeftError("ENGINE_KERNEL_MISSING", "gather with batchDims below axis has no emission", {
        place: scope || undefined,
        hint: 'move the axis behind the batch with tf.transpose, or run this function under useEngine("eager")',
      });
    }
    const flat = e.reshape(e.of(x), [groups * length, ...x.shape.slice(axis + 1)]);
    const offsets = Array.from({ length: groups }, (_, i) => i * length);
    const each = sizeOf(indices.shape.slice(batch));
    const own = e.reshape(given, [groups, each]);
    const moved = e.op("Add", [own, intConstant(e, offsets, [groups, 1])]);
    const rows = e.op("Gather", [flat, emitWithin(e, own, length, groups * length, moved)], { axis: 0n });
    return e.reshape(rows, outputs[0]!.shape);
  },
});

/** Positions of several axes, [..., axes], as positions on those axes laid out flat, [places]. */
function emitFlatPositions(e: Emitter, indices: Value, lead: readonly number[]): string {
  const strides = lead.map((_, i) => sizeOf(lead.slice(i + 1)));
  const given = e.of(indices);
  const scaled = e.op("Mul", [given, intConstant(e, strides, [strides.length])]);
  const flat = e.op("ReduceSum", [scaled, e.ints([-1])], { keepdims: 0n });
  const outside = emitOutside(e, given, intConstant(e, lead, [lead.length]));
  const any = e.cast(e.op("ReduceMax", [e.cast(outside, "int32"), e.ints([-1])], { keepdims: 0n }), "bool");
  return e.reshape(e.op("Where", [any, e.int(sizeOf(lead)), flat]), [sizeOf(indices.shape) / lead.length]);
}

defineKernel({
  name: "GatherNd",
  infer: ({ params, indices }) => ({
    shape: [...indices!.shape.slice(0, -1), ...params!.shape.slice(indices!.shape.at(-1)!)],
    dtype: params!.dtype,
  }),
  emit: ({ inputs, outputs }, e) => {
    const { params, indices } = inputs as { params: Value; indices: Value };
    const lead = params.shape.slice(0, indices.shape.at(-1)!);
    const rest = params.shape.slice(lead.length);
    const flat = e.reshape(e.of(params), [sizeOf(lead), ...rest]);
    return e.reshape(e.op("Gather", [flat, emitFlatPositions(e, indices, lead)], { axis: 0n }), outputs[0]!.shape);
  },
});

/** Adds rows of [places, ...] at `ids` [places] into zeros of [segments, ...]. */
function emitScatterSum(e: Emitter, ids: string, rows: string, { shape, dtype }: Spec, segments: number): string {
  // ScatterElements adds in order; ScatterND loses updates on two threads.
  const column = e.reshape(ids, [shape[0]!, ...shape.slice(1).map(() => 1)]);
  const indices = e.op("Expand", [column, e.ints(shape)]);
  const zeros = e.op("Expand", [dtype === "int32" ? e.int(0) : e.float(0), e.ints([segments, ...shape.slice(1)])]);
  return e.op("ScatterElements", [zeros, indices, rows], { axis: 0n, reduction: "add" });
}

defineKernel({
  name: "UnsortedSegmentSum",
  infer: ({ x }, { numSegments }) => ({ shape: [numSegments as number, ...x!.shape.slice(1)], dtype: x!.dtype }),
  emit: ({ inputs, attrs }, e) => {
    // Rows of no segment are left out, as TensorFlow.js does: they add zeros to the first.
    const x = inputs.x!;
    const [ids, segments] = [e.of(inputs.segmentIds!), attrs.numSegments as number];
    const outside = emitOutside(e, ids, e.int(segments));
    const column = e.reshape(outside, [x.shape[0]!, ...x.shape.slice(1).map(() => 1)]);
    const rows = e.op("Where", [column, x.dtype === "int32" ? e.int(0) : e.float(0), e.of(x)]);
    return emitScatterSum(e, e.op("Where", [outside, e.int(0), ids]), rows, x, segments);
  },
});

defineKernel({
  name: "ScatterNd",
  infer: ({ updates }, { shape }) => ({ shape: shape as number[], dtype: updates!.dtype }),
  emit: ({ inputs, attrs, outputs }, e) => {
    const { indices, updates } = inputs as { indices: Value; updates: Value };
    const shape = attrs.shape as number[];
    const lead = shape.slice(0, indices.shape.at(-1)!);
    const rows = {
      shape: [sizeOf(indices.shape) / lead.length, sizeOf(shape.slice(lead.length))],
      dtype: updates.dtype,
    };
    const ids = emitFlatPositions(e, indices, lead);
    const sums = emitScatterSum(e, ids, e.reshape(e.of(updates), rows.shape), rows, sizeOf(lead));
    return e.reshape(sums, outputs[0]!.shape);
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
    const classes = intConstant(
      e,
      Array.from({ length: depth }, (_, i) => i),
      [depth],
    );
    const column = e.reshape(e.of(inputs.indices!), [...inputs.indices!.shape, 1]);
    const hit = e.op("Equal", [column, classes]);
    const on = (attrs.onValue as number) ?? 1;
    const off = (attrs.offValue as number) ?? 0;
    const { dtype } = outputs[0]!;
    if (dtype === "float32") return e.op("Where", [hit, e.float(on), e.float(off)]);
    const chosen = e.op("Where", [hit, e.int(on), e.int(off)]);
    return dtype === "bool" ? e.cast(chosen, "bool") : chosen;
  },
});

defineKernel({
  name: "TopK",
  infer: ({ x }, { k }) => {
    const shape = [...x!.shape.slice(0, -1), k as number];
    return [
      { shape, dtype: x!.dtype },
      { shape, dtype: "int32" },
    ];
  },
  emit: ({ inputs, attrs }, e) => {
    // Sorted always: the order of an unsorted result is anybody's choice.
    const attributes = { axis: -1n, largest: 1n, sorted: 1n };
    const [values, indices] = e.multi("TopK", [e.of(inputs.x!), e.ints([attrs.k as number])], 2, { attributes });
    return [values!, e.cast(indices!, "int32")];
  },
  rows: ({ inputs }) => (inputs.x!.shape.length > 1 ? ["x"] : undefined),
});
