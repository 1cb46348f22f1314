// Resampling equal to Pillow's bit for bit (its Resample.c and Geometry.c, read as a specification): a horizontal, then
// a vertical pass over 8-bit levels with fixed-point weights; a filter widens with the scale when making smaller.

import { PeftError } from "../errors.js";
import type { RgbImage } from "./image.js";

/** Pillow's filters (`Image.Resampling`), by name. */
export type ResizeFilter = "nearest" | "box" | "bilinear" | "hamming" | "bicubic" | "lanczos";

/** A part of a picture in pixels, possibly fractional: `[left, top, right, bottom]`. */
export type Box = readonly [left: number, top: number, right: number, bottom: number];

interface Kernel {
  /** Half of its width in pixels of the output. */
  readonly support: number;
  readonly weight: (x: number) => number;
}

const KERNELS: Record<Exclude<ResizeFilter, "nearest">, Kernel> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(1 - Math.abs(x), 0) },
  hamming: { support: 1, weight: hamming },
  bicubic: { support: 2, weight: bicubic },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Pillow writes the window's constants in float32, which shows in the last bit of some weights. */
const HAMMING_OFFSET = Math.fround(0.54);
const HAMMING_AMPLITUDE = Math.fround(0.46);

function hamming(x: number): number {
  const distance = Math.abs(x);
  if (distance === 0) return 1;
  if (distance >= 1) return 0;
  return sinc(distance) * (HAMMING_OFFSET + HAMMING_AMPLITUDE * Math.cos(distance * Math.PI));
}

/** Keys's cubic with a = -0.5. */
function bicubic(x: number): number {
  const a = -0.5;
  const d = Math.abs(x);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return (((d - 5) * d + 8) * d - 4) * a;
  return 0;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

/** Weights are integers in units of 2^-22: 32 bits less 8 for the level and 2 for lobes beyond [0, 1]. */
const PRECISION_BITS = 32 - 8 - 2;

/**
 * Resizes a picture as `Image.resize((width, height), filter, box)` does; `box` is the part to be resized, by default
 * the whole.
 *
 * @throws PeftError ARGUMENT_INVALID for a size that is not positive or a box beyond the picture.
 */
export function resize(
  image: RgbImage,
  size: { width: number; height: number },
  filter: ResizeFilter,
  box: Box = [0, 0, image.width, image.height],
): RgbImage {
  const { width, height } = size;
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    throw new PeftError("ARGUMENT_INVALID", `cannot resize to ${width}x${height}: sizes are whole and positive`);
  }
  const [left, top, right, bottom] = box.map(Math.fround) as unknown as Box; // Pillow keeps boxes as float32
  if (!(left >= 0 && top >= 0 && right <= image.width && bottom <= image.height && left < right && top < bottom)) {
    throw new PeftError(
      "ARGUMENT_INVALID",
      `the box [${box}] is empty or leaves the ${image.width}x${image.height} picture`,
    );
  }
  const isWholeWidth = width === image.width && left === 0 && right === width;
  const isWholeHeight = height === image.height && top === 0 && bottom === height;
  if (isWholeWidth && isWholeHeight) return { width, height, data: image.data.slice() };
  if (filter === "nearest") return nearest(image, width, height, [left, top, right, bottom]);

  const kernel = KERNELS[filter];
  const rows = weightsFor(image.height, top, bottom, height, kernel);
  if (isWholeWidth) return resampleRows(image, rows, 0);
  const columns = weightsFor(image.width, left, right, width, kernel);
  if (isWholeHeight) return resampleColumns(image, columns, 0, height);
  // Only the rows that the second pass looks at.
  const first = rows.start[0]!;
  const last = rows.start[height - 1]! + rows.count[height - 1]!;
  return resampleRows(resampleColumns(image, columns, first, last), rows, first);
}

/** For each output position the first input position, the number of them, and their weights (`span` places each). */
interface Weights {
  readonly start: Int32Array;
  readonly count: Int32Array;
  readonly span: number;
  readonly weights: Int32Array;
}

function weightsFor(inputSize: number, from: number, to: number, outputSize: number, kernel: Kernel): Weights {
  const scale = Math.fround(to - from) / outputSize;
  const filterScale = Math.max(scale, 1);
  const support = kernel.support * filterScale;
  const span = Math.ceil(support) * 2 + 1;
  const start = new Int32Array(outputSize);
  const count = new Int32Array(outputSize);
  const weights = new Int32Array(outputSize * span);
  const exact = new Float64Array(span);
  for (let i = 0; i < outputSize; i++) {
    const centre = from + (i + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - support + 0.5), 0);
    const n = Math.min(Math.trunc(centre + support + 0.5), inputSize) - first;
    let total = 0;
    for (let k = 0; k < n; k++) {
      exact[k] = kernel.weight((k + first - centre + 0.5) * (1 / filterScale));
      total += exact[k]!;
    }
    for (let k = 0; k < n; k++) {
      const weight = (total === 0 ? exact[k]! : exact[k]! / total) * 2 ** PRECISION_BITS;
      weights[i * span + k] = Math.trunc(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    start[i] = first;
    count[i] = n;
  }
  return { start, count, span, weights };
}

const HALF = 1 << (PRECISION_BITS - 1);

/** Rows `firstRow` up to `endRow` of the picture, each resampled to as many columns as there are weights for. */
function resampleColumns(image: RgbImage, columns: Weights, firstRow: number, endRow: number): RgbImage {
  const { start, count, span, weights } = columns;
  const width = start.length;
  const height = endRow - firstRow;
  const out = new Uint8ClampedArray(width * height * 3);
  for (let y = 0, o = 0; y < height; y++) {
    const row = (firstRow + y) * image.width;
    for (let x = 0; x < width; x++, o += 3) {
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      let i = (row + start[x]!) * 3;
      const end = x * span + count[x]!;
      for (let k = x * span; k < end; k++, i += 3) {
        const weight = weights[k]!;
        red = (red + image.data[i]! * weight) | 0;
        green = (green + image.data[i + 1]! * weight) | 0;
        blue = (blue + image.data[i + 2]! * weight) | 0;
      }
      out[o] = red >> PRECISION_BITS;
      out[o + 1] = green >> PRECISION_BITS;
      out[o + 2] = blue >> PRECISION_BITS;
    }
  }
  return { width, height, data: new Uint8Array(out.buffer) };
}

/** All columns, resampled to as many rows as there are weights for; the picture's first row is row `firstRow`. */
function resampleRows(image: RgbImage, rows: Weights, firstRow: number): RgbImage {
  const { start, count, span, weights } = rows;
  const height = start.length;
  const stride = image.width * 3;
  const out = new Uint8ClampedArray(height * stride);
  const sums = new Int32Array(stride);
  for (let y = 0; y < height; y++) {
    sums.fill(HALF);
    for (let k = 0; k < count[y]!; k++) {
      const weight = weights[y * span + k]!;
      const from = (start[y]! - firstRow + k) * stride;
      for (let i = 0; i < stride; i++) sums[i]! += image.data[from + i]! * weight;
    }
    for (let i = 0; i < stride; i++) out[y * stride + i] = sums[i]! >> PRECISION_BITS;
  }
  return { width: image.width, height, data: new Uint8Array(out.buffer) };
}

function nearest(image: RgbImage, width: number, height: number, [left, top, right, bottom]: Box): RgbImage {
  const columns = nearestPositions(width, left, Math.fround(right - left) / width);
  const rows = nearestPositions(height, top, Math.fround(bottom - top) / height);
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, o = 0; y < height; y++) {
    for (let x = 0; x < width; x++, o += 3) {
      const i = (rows[y]! * image.width + columns[x]!) * 3;
      data[o] = image.data[i]!;
      data[o + 1] = image.data[i + 1]!;
      data[o + 2] = image.data[i + 2]!;
    }
  }
  return { width, height, data };
}

/** Steps are summed up, not multiplied, as Pillow does: the roundings decide at the edges of pixels. */
function nearestPositions(count: number, from: number, step: number): Int32Array {
  const positions = new Int32Array(count);
  let position = from + step * 0.5;
  for (let i = 0; i < count; i++, position += step) positions[i] = Math.trunc(position);
  return positions;
}
