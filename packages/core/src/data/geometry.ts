// Cropping, padding, flipping, and the sizes that torchvision and transformers resize and crop to.

import { PeftError } from "../errors.js";
import type { Rgb, RgbImage } from "./image.js";
import { type ResizeFilter, resize } from "./resize.js";

export interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * The part of a picture from (left, top) on.
 *
 * @throws PeftError ARGUMENT_INVALID if it is empty or leaves the picture.
 */
export function crop(image: RgbImage, area: Size & { left: number; top: number }): RgbImage {
  const { left, top, width, height } = area;
  const isInside = left >= 0 && top >= 0 && left + width <= image.width && top + height <= image.height;
  if (!isInside || !isWhole(area) || !Number.isInteger(left) || !Number.isInteger(top)) {
    throw new PeftError(
      "ARGUMENT_INVALID",
      `cannot crop ${width}x${height} at (${left}, ${top}) from a ${image.width}x${image.height} picture`,
    );
  }
  return cutOut(image, left, top, area);
}

/** Where the odd pixel goes: `torchvision` rounds half to even, `transformers` down (they also pad on other sides). */
export type CenterRule = "torchvision" | "transformers";

/**
 * The middle of a picture, as torchvision's `center_crop` or that of transformers' image processors (PIL path) cuts it
 * out. Where the picture is too small, black is added around it.
 *
 * @throws PeftError ARGUMENT_INVALID for a size that is not positive.
 */
export function centerCrop(image: RgbImage, size: Size, rule: CenterRule = "torchvision"): RgbImage {
  if (!isWhole(size)) {
    throw new PeftError(
      "ARGUMENT_INVALID",
      `cannot crop to ${size.width}x${size.height}: sizes are whole and positive`,
    );
  }
  const offset = rule === "torchvision" ? torchvisionOffset : transformersOffset;
  return cutOut(image, offset(image.width - size.width), offset(image.height - size.height), size);
}

/** `int(round((w - cw) / 2))` by Python's rounding; a negative surplus is padded by half of it, rounded down. */
function torchvisionOffset(surplus: number): number {
  if (surplus < 0) return -Math.floor(-surplus / 2);
  const down = Math.floor(surplus / 2);
  return surplus % 2 === 1 && down % 2 === 1 ? down + 1 : down;
}

function transformersOffset(surplus: number): number {
  return Math.floor(surplus / 2);
}

/** Copies a window that may reach beyond the picture; outside is black. */
function cutOut(image: RgbImage, left: number, top: number, { width, height }: Size): RgbImage {
  const data = new Uint8Array(width * height * 3);
  const fromX = Math.max(left, 0);
  const toX = Math.min(left + width, image.width);
  for (let y = Math.max(top, 0); y < Math.min(top + height, image.height); y++) {
    const row = image.data.subarray((y * image.width + fromX) * 3, (y * image.width + toX) * 3);
    data.set(row, ((y - top) * width + fromX - left) * 3);
  }
  return { width, height, data };
}

/**
 * Resizes so that the shorter side is `size` and the longer `int(size * long / short)`, the rule of torchvision's
 * `Resize(size)` and of transformers' `shortest_edge`.
 */
export function resizeShortestEdge(image: RgbImage, size: number, filter: ResizeFilter): RgbImage {
  const long = Math.trunc((size * Math.max(image.width, image.height)) / Math.min(image.width, image.height));
  const isUpright = image.width <= image.height;
  return resize(image, isUpright ? { width: size, height: long } : { width: long, height: size }, filter);
}

/** Mirrors left and right. */
export function flipHorizontal(image: RgbImage): RgbImage {
  const { width, height } = image;
  const data = new Uint8Array(image.data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * 3;
      data.set(image.data.subarray(from, from + 3), (y * width + width - 1 - x) * 3);
    }
  }
  return { width, height, data };
}

/** Turns upside down. */
export function flipVertical({ width, height, data: levels }: RgbImage): RgbImage {
  const data = new Uint8Array(levels.length);
  const stride = width * 3;
  for (let y = 0; y < height; y++) data.set(levels.subarray(y * stride, (y + 1) * stride), (height - 1 - y) * stride);
  return { width, height, data };
}

/** Pixels to add on each side. */
export interface Margins {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/**
 * What stands in a margin: one colour, the nearest pixel, or the picture mirrored, without (`reflect`) or with
 * (`symmetric`) its outermost pixels repeated.
 */
export type ImagePadMode = "constant" | "edge" | "reflect" | "symmetric";

/**
 * A picture with margins, as torchvision's `pad` of a PIL picture makes them (NumPy's modes of the same names).
 *
 * @param fill the colour of mode `constant`
 * @throws PeftError ARGUMENT_INVALID for a margin that is negative or not whole
 */
export function pad(
  image: RgbImage,
  margins: Margins,
  mode: ImagePadMode = "constant",
  fill: Rgb = [0, 0, 0],
): RgbImage {
  const { left, top, right, bottom } = margins;
  if (![left, top, right, bottom].every((margin) => Number.isInteger(margin) && margin >= 0)) {
    throw new PeftError(
      "ARGUMENT_INVALID",
      `margins of ${left}, ${top}, ${right}, ${bottom}: they are whole, from 0 on`,
    );
  }
  const columns = sourcesOf(image.width, left, right, mode);
  const rows = sourcesOf(image.height, top, bottom, mode);
  const [width, height] = [columns.length, rows.length];
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, o = 0; y < height; y++) {
    for (let x = 0; x < width; x++, o += 3) {
      const i = (rows[y]! * image.width + columns[x]!) * 3;
      const isOutside = rows[y]! < 0 || columns[x]! < 0;
      for (let c = 0; c < 3; c++) data[o + c] = isOutside ? fill[c]! : image.data[i + c]!;
    }
  }
  return { width, height, data };
}

/** For each position of a padded axis the position that it shows; -1 for none. */
function sourcesOf(size: number, before: number, after: number, mode: ImagePadMode): Int32Array {
  return Int32Array.from({ length: before + size + after }, (_, i) => {
    const position = i - before;
    if (position >= 0 && position < size) return position;
    if (mode === "constant") return -1;
    if (mode === "edge" || size === 1) return position < 0 ? 0 : size - 1;
    const period = mode === "reflect" ? 2 * (size - 1) : 2 * size;
    const phase = ((position % period) + period) % period;
    if (phase < size) return phase;
    return mode === "reflect" ? period - phase : period - 1 - phase;
  });
}

function isWhole({ width, height }: Size): boolean {
  return Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0;
}
