// How the windows of a two-dimensional convolution lie, and the shapes that follow, as in torch.nn.functional.conv2d.

import { PeftError } from "../errors.js";

export type Pair = readonly [height: number, width: number];

export interface Geometry {
  readonly stride: Pair;
  readonly padding: Pair;
  readonly dilation: Pair;
  readonly groups: number;
}

export interface ConvWindows {
  /** Step of the windows; one number for both directions. @defaultValue 1 */
  stride?: number | Pair;
  /** Rows and columns of zeros on each side. @defaultValue 0 */
  padding?: number | Pair;
  /** Distance of a window's elements. @defaultValue 1 */
  dilation?: number | Pair;
  /** Channels are cut into so many groups, each convolved for itself. @defaultValue 1 */
  groups?: number;
}

/** @throws PeftError ARGUMENT_INVALID for a stride, dilation or number of groups below 1 or a padding below 0 */
export function geometryOf(
  { stride = 1, padding = 0, dilation = 1, groups = 1 }: ConvWindows,
  op = "conv2d",
): Geometry {
  pairOf(`${op}: groups`, groups, 1);
  return {
    stride: pairOf(`${op}: stride`, stride, 1),
    padding: pairOf(`${op}: padding`, padding, 0),
    dilation: pairOf(`${op}: dilation`, dilation, 1),
    groups,
  };
}

/** One number for both directions, or one for each. @throws PeftError ARGUMENT_INVALID below `least` or not whole */
export function pairOf(what: string, value: number | Pair, least: number): Pair {
  const both: Pair = typeof value === "number" ? [value, value] : value;
  if (both.length !== 2 || !both.every((n) => Number.isInteger(n) && n >= least)) {
    throw new PeftError("ARGUMENT_INVALID", `${what} must be whole and at least ${least}, got ${value}`);
  }
  return both;
}

/** Rows and columns that a window spans beyond its first. */
export function reach(kernel: Pair, { dilation }: Geometry): Pair {
  return [dilation[0] * (kernel[0] - 1), dilation[1] * (kernel[1] - 1)];
}

/** Height and width of the output. */
export function outputSize(size: Pair, kernel: Pair, geometry: Geometry): Pair {
  const span = reach(kernel, geometry);
  const along = (i: 0 | 1): number =>
    Math.floor((size[i] + 2 * geometry.padding[i] - span[i] - 1) / geometry.stride[i]) + 1;
  return [along(0), along(1)];
}

/** Where each element of a window lies from the window's first, row by row. */
export function offsets(kernel: Pair, { dilation }: Geometry): Pair[] {
  return Array.from({ length: kernel[0] * kernel[1] }, (_, i): Pair => {
    return [Math.floor(i / kernel[1]) * dilation[0], (i % kernel[1]) * dilation[1]];
  });
}

export const big = (values: readonly number[]): bigint[] => values.map(BigInt);

/** The attributes that `Conv` and `ConvTranspose` share. */
export function windowAttributes(
  kernel: Pair,
  { stride, padding, dilation, groups }: Geometry,
): Record<string, bigint | bigint[]> {
  return {
    kernel_shape: big(kernel),
    strides: big(stride),
    dilations: big(dilation),
    pads: big([...padding, ...padding]),
    group: BigInt(groups),
  };
}
