// A convolution as ONNX nodes. ONNX Runtime lays out the windows of its input before it multiplies; where far fewer channels
// come out than go in, as in a low-rank layer, the product first and sums of its shifts after it move much less.

import type { Emitter } from "../engine/emit.js";
import { type Geometry, offsets, outputSize, windowAttributes } from "./convGeometry.js";

type Shape = readonly [number, number, number, number];

/** A tensor of four axes by its ONNX name. */
export interface FourAxes {
  readonly name: string;
  readonly shape: Shape;
}

/** How many times fewer the channels that come out must be. */
const NARROW = 4;

/**
 * @param x [batch, in, height, width]
 * @param filter [out, in / groups, kernel height, kernel width]
 * @param bias the ONNX name of a tensor of [out]
 */
export function emitConv(e: Emitter, x: FourAxes, filter: FourAxes, geometry: Geometry, bias?: string): string {
  const [out, inner, ...kernel] = filter.shape;
  const { stride, groups } = geometry;
  const plain = groups === 1 && stride[0] === 1 && stride[1] === 1 && kernel[0] * kernel[1] > 1;
  if (plain && out * NARROW <= inner) {
    const y = emitNarrow(e, x, filter, geometry);
    return bias ? e.op("Add", [y, e.reshape(bias, [out, 1, 1])]) : y;
  }
  const operands = [x.name, filter.name, ...(bias ? [bias] : [])];
  return e.op("Conv", operands, windowAttributes(kernel, geometry));
}

function emitNarrow(
  e: Emitter,
  { name, shape: [batch, channels, height, width] }: FourAxes,
  filter: FourAxes,
  geometry: Geometry,
): string {
  const [out, inner, ...kernel] = filter.shape;
  const area = kernel[0] * kernel[1];
  const [top, left] = geometry.padding;
  const [rows, columns] = outputSize([height, width], kernel, geometry);
  // [area * out, in]: what each element of the window gives each output channel.
  const byElement = e.op("Transpose", [e.reshape(filter.name, [out * inner, area])], { perm: [1n, 0n] });
  const flat = e.reshape(name, [batch, channels, height * width]);
  const products = e.op("MatMul", [e.reshape(byElement, [area * out, inner]), flat]);
  const apart = e.reshape(products, [batch, area * out, height, width]);
  const padded =
    top + left === 0
      ? apart
      : e.op("Pad", [apart, e.ints([0, 0, top, left, 0, 0, top, left]), e.float(0)], { mode: "constant" });
  return offsets(kernel, geometry)
    .map(([down, right], i) => {
      const [begin, end] = [
        [i * out, down, right],
        [(i + 1) * out, down + rows, right + columns],
      ];
      return e.op("Slice", [padded, e.ints(begin!), e.ints(end!), e.ints([1, 2, 3])]);
    })
    .reduce((sum, part) => e.op("Add", [sum, part]));
}
