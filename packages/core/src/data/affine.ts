// Turning, shearing and shifting pictures, equal to Pillow's bit for bit (its Geometry.c and `Image.rotate`, read as a
// specification): each pixel of the result looks up its place in the picture, and keeps the fill colour where that is
// outside.

import type { Rgb, RgbImage } from "./image.js";

/** How a pixel between pixels is made; Pillow's affine transforms have these three filters. */
export type AffineFilter = "nearest" | "bilinear" | "bicubic";

/** From the result's coordinates to the picture's: `x' = a x + b y + c`, `y' = d x + e y + f`. */
export type AffineMatrix = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

/**
 * `Image.transform(image.size, AFFINE, matrix, filter, fillcolor=fill)`.
 *
 * @param fill the colour where the matrix points outside the picture. Default black
 */
export function transformAffine(
  image: RgbImage,
  matrix: AffineMatrix,
  filter: AffineFilter = "nearest",
  fill: Rgb = [0, 0, 0],
): RgbImage {
  const { width, height } = image;
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i += 3) data.set(fill, i);
  if (filter !== "nearest") interpolate(image, matrix, filter === "bilinear" ? bilinear : bicubic, data);
  else if (needsFloats(image, matrix)) pickByFloats(image, matrix, data);
  else pickByFixedPoint(image, matrix, data);
  return { width, height, data };
}

/** `Image.rotate(degrees, filter, fillcolor=fill)`: counter-clockwise around the middle, at the picture's own size. */
export function rotate(image: RgbImage, degrees: number, filter: AffineFilter = "nearest", fill?: Rgb): RgbImage {
  const { width, height } = image;
  const angle = ((degrees % 360) + 360) % 360;
  if (angle === 0 || angle === 180 || (angle % 90 === 0 && width === height)) return turnByQuarters(image, angle / 90);
  const radians = -(angle * (Math.PI / 180));
  const [cos, sin] = [roundTo15(Math.cos(radians)), roundTo15(Math.sin(radians))];
  const minusSin = roundTo15(-Math.sin(radians));
  const [x, y] = [width / 2, height / 2];
  const matrix = [cos, sin, cos * -x + sin * -y + 0 + x, minusSin, cos, minusSin * -x + cos * -y + 0 + y] as const;
  return transformAffine(image, matrix, filter, fill);
}

/** Python's `round(x, 15)`. */
function roundTo15(x: number): number {
  return Number(x.toFixed(15));
}

function turnByQuarters({ width, height, data: levels }: RgbImage, quarters: number): RgbImage {
  const data = new Uint8Array(levels.length);
  for (let y = 0, o = 0; y < height; y++) {
    for (let x = 0; x < width; x++, o += 3) {
      let from = y * width + x;
      if (quarters === 1) from = x * width + (width - 1 - y);
      if (quarters === 2) from = (height - 1 - y) * width + (width - 1 - x);
      if (quarters === 3) from = (height - 1 - x) * width + y;
      data.set(levels.subarray(3 * from, 3 * from + 3), o);
    }
  }
  return { width, height, data };
}

/** Beyond it, places do not fit Pillow's fixed-point numbers of 16 bits before and 16 after the point. */
const FIXED_POINT_LIMIT = 32768;

/** Pillow takes floating point where nothing turns or shears, or where a corner lies too far out. */
function needsFloats({ width, height }: RgbImage, [a, b, c, d, e, f]: AffineMatrix): boolean {
  if (b === 0 && d === 0) return true;
  const corners = [0, width].flatMap((x) => [0, height].map((y) => [x, y] as const));
  return corners.some(
    ([x, y]) => Math.abs(x * a + y * b + c) >= FIXED_POINT_LIMIT || Math.abs(x * d + y * e + f) >= FIXED_POINT_LIMIT,
  );
}

function pickByFixedPoint(image: RgbImage, [a, b, c, d, e, f]: AffineMatrix, out: Uint8Array): void {
  const fixed = (x: number) => Math.floor(x * 65536 + 0.5);
  let rowX = fixed(c + a * 0.5 + b * 0.5);
  let rowY = fixed(f + d * 0.5 + e * 0.5);
  const [stepX, stepY, rowStepX, rowStepY] = [fixed(a), fixed(d), fixed(b), fixed(e)];
  for (let y = 0, o = 0; y < image.height; y++, rowX += rowStepX, rowY += rowStepY) {
    let [xx, yy] = [rowX, rowY];
    for (let x = 0; x < image.width; x++, o += 3, xx += stepX, yy += stepY)
      copyPixel(image, xx >> 16, yy >> 16, out, o);
  }
}

/** Steps are summed up, not multiplied, as Pillow does: the roundings decide at the edges of pixels. */
function pickByFloats(image: RgbImage, [a, b, c, d, e, f]: AffineMatrix, out: Uint8Array): void {
  let rowX = c + b * 0.5 + a * 0.5;
  let rowY = f + e * 0.5 + d * 0.5;
  for (let y = 0, o = 0; y < image.height; y++, rowX += b, rowY += e) {
    let [xx, yy] = [rowX, rowY];
    for (let x = 0; x < image.width; x++, o += 3, xx += a, yy += d) {
      copyPixel(image, Math.floor(xx), Math.floor(yy), out, o);
    }
  }
}

function copyPixel({ width, height, data }: RgbImage, x: number, y: number, out: Uint8Array, o: number): void {
  if (x < 0 || x >= width || y < 0 || y >= height) return;
  const i = (y * width + x) * 3;
  out[o] = data[i]!;
  out[o + 1] = data[i + 1]!;
  out[o + 2] = data[i + 2]!;
}

/** A level at (x, y), which lies between the pixels from (column, row) on, by (dx, dy) of their distance. */
type Interpolation = (image: RgbImage, column: number, row: number, dx: number, dy: number, channel: number) => number;

function interpolate(image: RgbImage, matrix: AffineMatrix, level: Interpolation, out: Uint8Array): void {
  const [a, b, c, d, e, f] = matrix;
  const { width, height } = image;
  for (let y = 0, o = 0; y < height; y++) {
    for (let x = 0; x < width; x++, o += 3) {
      const fromX = a * (x + 0.5) + b * (y + 0.5) + c;
      const fromY = d * (x + 0.5) + e * (y + 0.5) + f;
      if (!(fromX >= 0 && fromX < width && fromY >= 0 && fromY < height)) continue;
      const column = Math.floor(fromX - 0.5);
      const row = Math.floor(fromY - 0.5);
      const [dx, dy] = [fromX - 0.5 - column, fromY - 0.5 - row];
      for (let channel = 0; channel < 3; channel++) out[o + channel] = level(image, column, row, dx, dy, channel);
    }
  }
}

const bilinear: Interpolation = (image, column, row, dx, dy, channel) => {
  const along = (y: number) => {
    const left = levelAt(image, column, y, channel);
    return left + (levelAt(image, column + 1, y, channel) - left) * dx;
  };
  const upper = along(row);
  return upper + (along(row + 1) - upper) * dy;
};

const bicubic: Interpolation = (image, column, row, dx, dy, channel) => {
  const along = (y: number) =>
    cubic(
      levelAt(image, column - 1, y, channel),
      levelAt(image, column, y, channel),
      levelAt(image, column + 1, y, channel),
      levelAt(image, column + 2, y, channel),
      dx,
    );
  const level = cubic(along(row - 1), along(row), along(row + 1), along(row + 2), dy);
  return Math.min(Math.max(level, 0), 255);
};

/** The cubic through four equidistant values (Keys, a = -1 here, unlike in resizing), `d` of the way from v2 to v3. */
function cubic(v1: number, v2: number, v3: number, v4: number, d: number): number {
  const p2 = -v1 + v3;
  const p3 = 2 * (v1 - v2) + v3 - v4;
  const p4 = -v1 + v2 - v3 + v4;
  return v2 + d * (p2 + d * (p3 + d * p4));
}

/** The level at a place, or at the nearest one in the picture. */
function levelAt({ width, height, data }: RgbImage, x: number, y: number, channel: number): number {
  const column = Math.min(Math.max(x, 0), width - 1);
  const row = Math.min(Math.max(y, 0), height - 1);
  return data[(row * width + column) * 3 + channel]!;
}
