// The weights of resampling one axis, as torch.nn.functional.interpolate has them: which places of the input an output place
// is made of. Positions are computed in float32 where the original rounds so, because a floor follows.

import { type AxisMatrix, axisMatrix } from "./axisProduct.js";

export interface AxisResize {
  /** Length of the input. */
  readonly length: number;
  /** Length of the output. */
  readonly out: number;
  /** Places of the input for one of the output. */
  readonly step: number;
}

/** The nearest place: where the output place begins, or (`exact`) where its middle lies. */
export function nearestPlaces({ length, out, step }: AxisResize, exact: boolean): number[] {
  const narrow = Math.fround(step);
  return Array.from({ length: out }, (_, i) => {
    const position = Math.fround((i + (exact ? 0.5 : 0)) * narrow);
    return Math.min(Math.floor(position), length - 1);
  });
}

/** Keys' cubic kernel (1981). PyTorch has A = -0.75, and Pillow's -0.5 for antialiasing. */
function cubic(x: number, a: number): number {
  const d = Math.abs(x);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

const triangle = (x: number): number => Math.max(0, 1 - Math.abs(x));

/** Where the middle of an output place lies on the input; with `alignCorners` first and last places meet. */
function centreOf(i: number, step: number, alignCorners: boolean): number {
  return alignCorners ? i * step : (i + 0.5) * step - 0.5;
}

/** From the two places around: beyond the ends, the end itself. */
export function linearWeights({ length, out, step }: AxisResize, alignCorners: boolean): AxisMatrix {
  return axisMatrix(out, length, (i, j) => {
    const at = Math.min(Math.max(centreOf(i, step, alignCorners), 0), length - 1);
    return triangle(j - at);
  });
}

/** From the four places around: one beyond the ends is the end once more. */
export function cubicWeights({ length, out, step }: AxisResize, alignCorners: boolean): AxisMatrix {
  const matrix = axisMatrix(out, length, () => 0);
  for (let i = 0; i < out; i++) {
    const at = centreOf(i, step, alignCorners);
    for (let k = -1; k <= 2; k++) {
      const place = Math.floor(at) + k;
      const inside = Math.min(Math.max(place, 0), length - 1);
      matrix.data[i * length + inside]! += cubic(place - at, -0.75);
    }
  }
  return matrix;
}

/** Pillow's way: the kernel is as wide as an output place is on the input, so that shrinking averages. */
export function antialiasedWeights({ length, out, step }: AxisResize, mode: "bilinear" | "bicubic"): AxisMatrix {
  const kernel = mode === "bilinear" ? triangle : (x: number) => cubic(x, -0.5);
  const widening = Math.max(step, 1);
  const support = (mode === "bilinear" ? 1 : 2) * widening;
  const rows = Array.from({ length: out }, (_, i) => {
    const centre = (i + 0.5) * step;
    const from = Math.max(Math.trunc(centre - support + 0.5), 0);
    const to = Math.min(Math.trunc(centre + support + 0.5), length);
    const weight = (j: number): number => (j >= from && j < to ? kernel((j + 0.5 - centre) / widening) : 0);
    const weights = Array.from({ length }, (_, j) => weight(j));
    const total = weights.reduce((sum, w) => sum + w, 0);
    return weights.map((w) => w / total);
  });
  return axisMatrix(out, length, (i, j) => rows[i]![j]!);
}
