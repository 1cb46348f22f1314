// The filter by which a convolution's input gradient is a convolution again: turned by 180 degrees, with inputs and outputs
// changed over; the whole of it, or the elements that one phase of a stride meets.

import type { Emitter } from "../engine/emit.js";

type Shape = readonly [number, number, number, number];

/** The filter with the window as its middle axis: [in, height * width, out / groups]. */
export function emitTapRows(e: Emitter, name: string, [out, inner, height, width]: Shape, groups: number): string {
  const area = height * width;
  const behind = e.op("Transpose", [e.reshape(name, [groups, out / groups, inner * area])], { perm: [0n, 2n, 1n] });
  return e.reshape(behind, [groups * inner, area, out / groups]);
}

/** [out, in / groups, height, width] to [in, out / groups, height, width], turned. */
export function emitTurnedFilter(e: Emitter, name: string, shape: Shape, groups: number): string {
  const [out, inner, height, width] = shape;
  const rows = emitTapRows(e, name, shape, groups);
  const turnedShape = [groups * inner, out / groups, height, width];
  if (height * width === 1) return e.reshape(rows, turnedShape);
  // The turn moves whole rows of output channels, which is much quicker than turning each small window where it lies.
  const turned = e.op("Slice", [rows, e.ints([-1]), e.ints([-(2 ** 31)]), e.ints([1]), e.ints([-1])]);
  return e.reshape(e.op("Transpose", [turned], { perm: [0n, 2n, 1n] }), turnedShape);
}

/** Of `rows`, as `emitTapRows` makes them, the elements at `taps`: [in, out, ...size], where size has as many places. */
export function emitTaps(e: Emitter, rows: string, taps: readonly number[], shape: readonly number[]): string {
  const indices = e.constant("int32", [taps.length], new Uint8Array(Int32Array.from(taps).buffer));
  const picked = e.op("Gather", [rows, indices], { axis: 1n });
  return e.reshape(e.op("Transpose", [picked], { perm: [0n, 2n, 1n] }), shape);
}
