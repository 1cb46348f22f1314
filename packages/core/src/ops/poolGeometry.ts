// How the windows of a pooling lie, and the shapes that follow, as in PyTorch.

import { PeftError } from "../errors.js";
import { type Geometry, type Pair, pairOf } from "./convGeometry.js";

export interface PoolWindows {
  /** Rows and columns of a window; one number for both. */
  kernel: number | Pair;
  /** Step of the windows. @defaultValue the kernel: windows side by side */
  stride?: number | Pair;
  /** Rows and columns beyond the border on each side, at most half a window. @defaultValue 0 */
  padding?: number | Pair;
  /** Whether a last window that is not full counts. @defaultValue false */
  ceilMode?: boolean;
}

export interface PoolGeometry extends Geometry {
  readonly kernel: Pair;
  /** Height and width of the output. */
  readonly out: Pair;
}

/** @throws PeftError ARGUMENT_INVALID or SHAPE_MISMATCH */
export function poolGeometry(
  op: string,
  shape: readonly number[],
  { kernel, stride = kernel, padding = 0, dilation = 1, ceilMode = false }: PoolWindows & { dilation?: number | Pair },
): PoolGeometry {
  const windows = {
    kernel: pairOf(`${op}: kernel`, kernel, 1),
    stride: pairOf(`${op}: stride`, stride, 1),
    padding: pairOf(`${op}: padding`, padding, 0),
    dilation: pairOf(`${op}: dilation`, dilation, 1),
    groups: 1,
  };
  if (windows.padding.some((p, i) => 2 * p > windows.kernel[i]!)) {
    const sizes = `padding ${windows.padding}, kernel ${windows.kernel}`;
    throw new PeftError("ARGUMENT_INVALID", `${op}: padding must be at most half a window, got ${sizes}`);
  }
  const along = (i: 0 | 1): number => {
    const [step, border] = [windows.stride[i], windows.padding[i]];
    const size = shape[2 + i]!;
    const beyond = size + 2 * border - windows.dilation[i] * (windows.kernel[i] - 1) - 1;
    const full = Math.floor((beyond + (ceilMode ? step - 1 : 0)) / step) + 1;
    // A window that would begin beyond the picture and its left border does not count.
    return ceilMode && (full - 1) * step >= size + border ? full - 1 : full;
  };
  const out: Pair = shape.length === 4 ? [along(0), along(1)] : [0, 0];
  if (out[0] < 1 || out[1] < 1) {
    throw new PeftError("SHAPE_MISMATCH", `${op}: no window of ${windows.kernel} fits x [${shape}]`, {
      hint: "x must be [batch, channels, height, width]",
    });
  }
  return { ...windows, out };
}
