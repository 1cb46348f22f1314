// The gradients of a two-dimensional convolution, in the forms that ONNX Runtime is fast at (architecture.md, "Convolution"):
// by the input a convolution again, by the filter one matrix product over shifts of the narrower side.

import type { Emitter } from "../engine/emit.js";
import { type Node, sizeOf } from "../engine/graph.js";
import { defineOp, type OpFunction } from "../engine/op.js";
import { big, type Geometry, offsets, type Pair, reach, windowAttributes } from "./convGeometry.js";
import { shiftedFilterGradient, shiftedInputGradient } from "./convShifts.js";
import { emitConv } from "./emitConv.js";

type Shape = readonly [number, number, number, number];

/** [a, b, ...] to [b, a, ...] of four axes. */
function emitSwap(e: Emitter, name: string, [a, b, ...size]: Shape): string {
  if (a === 1 || b === 1) return e.reshape(name, [b, a, ...size]);
  return e.op("Transpose", [name], { perm: [1n, 0n, 2n, 3n] });
}

/** The filter of the input gradient: turned by 180 degrees, [out, in / groups, ...] to [in, out / groups, ...]. */
function emitTurnedFilter(e: Emitter, name: string, [out, inner, height, width]: Shape, groups: number): string {
  const area = height * width;
  // The turn moves whole rows of output channels, which is much quicker than turning each small window where it lies.
  const behind = e.op("Transpose", [e.reshape(name, [groups, out / groups, inner * area])], { perm: [0n, 2n, 1n] });
  const shape = [groups * inner, out / groups, height, width];
  if (area === 1) return e.reshape(behind, shape);
  const rows = e.reshape(behind, [groups * inner, area, out / groups]);
  const turned = e.op("Slice", [rows, e.ints([-1]), e.ints([-(2 ** 31)]), e.ints([1]), e.ints([-1])]);
  return e.reshape(e.op("Transpose", [turned], { perm: [0n, 2n, 1n] }), shape);
}

/** Also what a transposed convolution is. */
export function emitInputGradient({ inputs, attrs, outputs }: Node, e: Emitter): string {
  const geometry = attrs as unknown as Geometry;
  const { stride, padding, groups } = geometry;
  const filter = inputs.weight!.shape as Shape;
  const kernel: Pair = [filter[2], filter[3]];
  const span = reach(kernel, geometry);
  const [, , height, width] = outputs[0]!.shape as Shape;
  const [, , rows, columns] = inputs.dy!.shape as Shape;
  if (stride[0] !== 1 || stride[1] !== 1) {
    // What the last windows leave over at the right and bottom.
    const rest: Pair = [
      height - ((rows - 1) * stride[0] - 2 * padding[0] + span[0] + 1),
      width - ((columns - 1) * stride[1] - 2 * padding[1] + span[1] + 1),
    ];
    const attributes = { ...windowAttributes(kernel, geometry), output_padding: big(rest) };
    return e.op("ConvTranspose", [e.of(inputs.dy!), e.of(inputs.weight!)], attributes);
  }
  // Conv takes no negative padding: a border of dy that only saw zeros is cut off first.
  const pad: Pair = [span[0] - padding[0], span[1] - padding[1]];
  const cut: Pair = [Math.max(0, -pad[0]), Math.max(0, -pad[1])];
  const inside =
    cut[0] + cut[1] > 0
      ? e.op("Slice", [e.of(inputs.dy!), e.ints(cut), e.ints([rows - cut[0], columns - cut[1]]), e.ints([2, 3])])
      : e.of(inputs.dy!);
  const [batch, out] = inputs.dy!.shape as Shape;
  const x = { name: inside, shape: [batch, out, rows - 2 * cut[0], columns - 2 * cut[1]] as const };
  const turned = {
    name: emitTurnedFilter(e, e.of(inputs.weight!), filter, groups),
    shape: [filter[1] * groups, out / groups, ...kernel] as const,
  };
  const positive: Pair = [Math.max(0, pad[0]), Math.max(0, pad[1])];
  return emitConv(e, x, turned, { ...geometry, padding: positive });
}

/** dy [batch, out, h', w'] and the filter give dx; `height` and `width` are the input's. */
export const inputGradient: OpFunction = defineOp({
  name: "PeftConv2dInputGradient",
  infer: ({ dy, weight }, { groups, height, width }) => ({
    shape: [dy!.shape[0]!, weight!.shape[1]! * (groups as number), height as number, width as number],
    dtype: "float32",
  }),
  emit: emitInputGradient,
  rows: () => ["dy"],
  eager: ({ dy, weight }, attrs) =>
    shiftedInputGradient(dy!, weight!, [attrs.height as number, attrs.width as number], attrs as unknown as Geometry),
});

/** Pads the last two axes of four with zeros. */
function emitPad(e: Emitter, name: string, [top, left]: Pair, [bottom, right]: Pair): string {
  if (top + left + bottom + right === 0) return name;
  return e.op("Pad", [name, e.ints([0, 0, top, left, 0, 0, bottom, right]), e.float(0)], { mode: "constant" });
}

/**
 * The windows of a tensor of [channels, batch, height, width], shifted to each of `begins`: as
 * [groups, shifts * channels / groups, batch * out height * out width].
 */
function emitShifts(
  e: Emitter,
  name: string,
  { begins, shape, out, stride, groups }: { begins: Pair[]; shape: Shape; out: Pair; stride: Pair; groups: number },
): string {
  const [channels, batch, height, width] = shape;
  const positions = batch * out[0] * out[1];
  const parts = begins.map((begin) => {
    const end: Pair = [begin[0] + (out[0] - 1) * stride[0] + 1, begin[1] + (out[1] - 1) * stride[1] + 1];
    const whole = begin[0] === 0 && begin[1] === 0 && end[0] === height && end[1] === width;
    const operands = [name, e.ints(begin), e.ints(end), e.ints([2, 3]), e.ints(stride)];
    const part = whole && stride[0] * stride[1] === 1 ? name : e.op("Slice", operands);
    return e.reshape(part, [groups, channels / groups, positions]);
  });
  return parts.length === 1 ? parts[0]! : e.op("Concat", parts, { axis: 1n });
}

/** a b^T for each group: [groups, m, positions] and [groups, n, positions] give [groups * m, n]. */
function emitProduct(
  e: Emitter,
  a: string,
  b: string,
  groups: number,
  m: number,
  n: number,
  positions: number,
): string {
  if (groups === 1) {
    return e.op("Gemm", [e.reshape(a, [m, positions]), e.reshape(b, [n, positions])], { transB: 1n });
  }
  const product = e.op("FusedMatMul", [a, b], { transA: 0n, transB: 1n, alpha: 1 }, "com.microsoft");
  return e.reshape(product, [groups * m, n]);
}

/** Whether x is shifted rather than dy: the narrower side, and with a stride always x. */
function shiftsInput({ inputs, attrs }: Node): boolean {
  const [height, width] = attrs.stride as Pair;
  return height * width > 1 || inputs.x!.shape[1]! <= inputs.dy!.shape[1]!;
}

function emitFilterGradient(node: Node, e: Emitter): string {
  const { inputs, attrs, outputs } = node;
  const geometry = attrs as unknown as Geometry;
  const { groups, padding, stride } = geometry;
  const [out, inner, ...kernel] = outputs[0]!.shape as Shape;
  const area = kernel[0] * kernel[1];
  const [batch, channels, height, width] = inputs.x!.shape as Shape;
  const [, , rows, columns] = inputs.dy!.shape as Shape;
  const x = emitSwap(e, e.of(inputs.x!), inputs.x!.shape as Shape);
  const dy = emitSwap(e, e.of(inputs.dy!), inputs.dy!.shape as Shape);
  if (shiftsInput(node)) {
    const positions = batch * rows * columns;
    const shifted = emitShifts(e, emitPad(e, x, padding, padding), {
      begins: offsets(kernel, geometry),
      shape: [channels, batch, height + 2 * padding[0], width + 2 * padding[1]],
      out: [rows, columns],
      stride,
      groups,
    });
    const plain = e.reshape(dy, [groups, out / groups, positions]);
    const product = emitProduct(e, plain, shifted, groups, out / groups, area * inner, positions);
    const apart = e.reshape(product, [out, area, inner]);
    return e.reshape(area === 1 ? apart : e.op("Transpose", [apart], { perm: [0n, 2n, 1n] }), outputs[0]!.shape);
  }
  // At the input's place u, the window's element at offset a saw the output at u + padding - a.
  const span = reach(kernel, geometry);
  const border: Pair = [Math.max(0, span[0] - padding[0]), Math.max(0, span[1] - padding[1])];
  const shifted = emitShifts(e, emitPad(e, dy, border, border), {
    begins: offsets(kernel, geometry).map(([a, b]): Pair => [border[0] + padding[0] - a, border[1] + padding[1] - b]),
    shape: [out, batch, rows + 2 * border[0], columns + 2 * border[1]],
    out: [height, width],
    stride,
    groups,
  });
  const positions = batch * height * width;
  const plain = e.reshape(x, [groups, inner, positions]);
  const product = emitProduct(e, shifted, plain, groups, (area * out) / groups, inner, positions);
  const apart = e.reshape(product, [groups, area, out / groups, inner]);
  return e.reshape(e.op("Transpose", [apart], { perm: [0n, 2n, 3n, 1n] }), outputs[0]!.shape);
}

/** x [batch, in, h, w] and dy [batch, out, h', w'] give the filter's gradient, [out, in / groups, ...kernel]. */
export const filterGradient: OpFunction = defineOp({
  name: "PeftConv2dFilterGradient",
  infer: ({ x, dy }, { groups, kernel }) => ({
    shape: [dy!.shape[1]!, x!.shape[1]! / (groups as number), ...(kernel as Pair)],
    dtype: "float32",
  }),
  emit: emitFilterGradient,
  sumsRows: () => ["x", "dy"],
  /** The shifts. */
  scratch: (node) => {
    const { x, dy } = node.inputs;
    const area = sizeOf(node.attrs.kernel as Pair);
    const [batch, , ...size] = (shiftsInput(node) ? dy : x)!.shape as Shape;
    return 4 * area * (shiftsInput(node) ? x : dy)!.shape[1]! * batch * sizeOf(size);
  },
  eager: ({ x, dy }, attrs) => shiftedFilterGradient(x!, dy!, attrs.kernel as Pair, attrs as unknown as Geometry),
});
