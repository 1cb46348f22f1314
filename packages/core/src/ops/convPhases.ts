// The input gradient of a strided convolution, or a strided transposed convolution, as one small convolution for each phase
// of the stride: the rows that a stride of 2 visits with the even elements of a window never meet the odd ones. ONNX
// Runtime's own ConvTranspose takes several times as long.

import type { Emitter } from "../engine/emit.js";
import type { Geometry, Pair } from "./convGeometry.js";
import type { FourAxes } from "./emitConv.js";
import { emitTapRows, emitTaps } from "./turnedFilter.js";

/** Along one axis: how many places each phase makes, before the padding is cut off. */
function lengths(size: Pair, { padding, stride }: Geometry): Pair {
  const along = (i: 0 | 1): number => Math.floor((padding[i] + size[i] - 1) / stride[i]) + 1;
  return [along(0), along(1)];
}

/** Whether every phase has an element of the window, and nothing of dy is cut off. */
export function hasPhases(dy: FourAxes, filter: FourAxes, size: Pair, geometry: Geometry): boolean {
  const { dilation, groups, stride } = geometry;
  const out = lengths(size, geometry);
  return (
    groups === 1 &&
    ([0, 1] as const).every((i) => dilation[i] === 1 && filter.shape[2 + i]! >= stride[i] && out[i] >= dy.shape[2 + i]!)
  );
}

/** The window's elements of one phase along one axis, the last first. */
function steps(phase: number, kernel: number, stride: number): number[] {
  const count = Math.ceil((kernel - phase) / stride);
  return Array.from({ length: count }, (_, j) => phase + stride * (count - 1 - j));
}

/** dy [batch, out, rows, columns] and the filter [out, in, ...kernel] give [batch, in, ...size]. */
export function emitPhases(e: Emitter, dy: FourAxes, filter: FourAxes, size: Pair, geometry: Geometry): string {
  const { stride, padding } = geometry;
  const [batch, out, rows, columns] = dy.shape;
  const [, channels, height, width] = filter.shape;
  const length = lengths(size, geometry);
  const tapRows = emitTapRows(e, filter.name, filter.shape, 1);
  const phases = Array.from({ length: stride[0] }, (_, r) => steps(r, height, stride[0])).flatMap((down) =>
    Array.from({ length: stride[1] }, (_, r) => steps(r, width, stride[1])).map((across) => {
      const taps = down.flatMap((a) => across.map((b) => a * width + b));
      const turned = emitTaps(e, tapRows, taps, [channels, out, down.length, across.length]);
      const y = e.op("Conv", [dy.name, turned], {
        kernel_shape: [down.length, across.length].map(BigInt),
        pads: [down.length - 1, across.length - 1, length[0] - rows, length[1] - columns].map(BigInt),
      });
      return e.reshape(y, [batch * channels, 1, length[0] * length[1]]);
    }),
  );
  const joined = e.reshape(e.op("Concat", phases, { axis: 1n }), [batch * channels, ...stride, ...length]);
  const woven = e.op("Transpose", [joined], { perm: [0n, 3n, 1n, 4n, 2n] });
  const whole = e.reshape(woven, [batch, channels, length[0] * stride[0], length[1] * stride[1]]);
  const ends = [padding[0] + size[0], padding[1] + size[1]];
  return e.op("Slice", [whole, e.ints(padding), e.ints(ends), e.ints([2, 3])]);
}
