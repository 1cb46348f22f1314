// Brightness, contrast, saturation, sharpness and hue, equal to Pillow's `ImageEnhance` and to torchvision's `adjust_*` of
// PIL pictures bit for bit: the arithmetic is float32 where theirs is, and levels are cut off, not rounded.

import { PeftError } from "../errors.js";
import type { RgbImage } from "./image.js";

const { fround } = Math;

/** Grey with three equal channels: `convert("L")`, the luma of ITU-R 601-2 in fixed point. */
export function grayscale({ width, height, data: levels }: RgbImage): RgbImage {
  const data = new Uint8Array(levels.length);
  for (let i = 0; i < levels.length; i += 3) data.fill(luma(levels, i), i, i + 3);
  return { width, height, data };
}

function luma(levels: Uint8Array, i: number): number {
  return (levels[i]! * 19595 + levels[i + 1]! * 38470 + levels[i + 2]! * 7471 + 0x8000) >> 16;
}

/** Towards black (factor 0) or beyond the picture (above 1). */
export function adjustBrightness(image: RgbImage, factor: number): RgbImage {
  return blend(new Uint8Array(image.data.length), image, factor);
}

/** Towards the mean grey of the whole picture (factor 0) or away from it (above 1). */
export function adjustContrast(image: RgbImage, factor: number): RgbImage {
  let sum = 0;
  for (let i = 0; i < image.data.length; i += 3) sum += luma(image.data, i);
  const mean = Math.floor(sum / (image.width * image.height) + 0.5);
  return blend(new Uint8Array(image.data.length).fill(mean), image, factor);
}

/** Towards grey (factor 0) or to stronger colours (above 1); Pillow's `Color`. */
export function adjustSaturation(image: RgbImage, factor: number): RgbImage {
  return blend(grayscale(image).data, image, factor);
}

/** Towards a smoothed picture (factor 0) or to harder edges (above 1). */
export function adjustSharpness(image: RgbImage, factor: number): RgbImage {
  return blend(smooth(image), image, factor);
}

/** `Image.blend`: `from + factor * (to - from)` in float32. */
function blend(from: Uint8Array, { width, height, data: to }: RgbImage, factor: number): RgbImage {
  const weight = fround(factor);
  if (weight === 1) return { width, height, data: to.slice() };
  const data = new Uint8Array(to.length);
  for (let i = 0; i < to.length; i++) {
    const level = fround(from[i]! + fround(weight * (to[i]! - from[i]!)));
    data[i] = Math.min(Math.max(level, 0), 255);
  }
  return { width, height, data };
}

/** Pillow's filter SMOOTH: each pixel five times, its eight neighbours once; the border stays as it is. */
function smooth({ width, height, data: levels }: RgbImage): Uint8Array {
  const data = levels.slice();
  const [one, five] = [fround(1 / 13), fround(5 / 13)];
  const stride = width * 3;
  const three = (i: number, middle: number) => {
    const left = fround(fround(levels[i - 3]! * one) + fround(levels[i]! * middle));
    return fround(left + fround(levels[i + 3]! * one));
  };
  for (let y = 1; y < height - 1; y++) {
    for (let i = y * stride + 3; i < (y + 1) * stride - 3; i++) {
      const below = fround(0.5 + three(i + stride, one));
      data[i] = fround(fround(below + three(i, five)) + three(i - stride, one));
    }
  }
  return data;
}

/**
 * Turns the hue by `factor` of the whole circle, in steps of 1/255 (cut off towards 0), by way of Pillow's 8-bit HSV,
 * which loses a little even at factor 0.
 *
 * @throws PeftError ARGUMENT_INVALID for a factor outside -0.5 .. 0.5
 */
export function adjustHue({ width, height, data: levels }: RgbImage, factor: number): RgbImage {
  if (!(Math.abs(factor) <= 0.5)) {
    throw new PeftError("ARGUMENT_INVALID", `a hue factor of ${factor}: it lies between -0.5 and 0.5`);
  }
  const turn = Math.trunc(factor * 255) & 255;
  const data = new Uint8Array(levels.length);
  for (let i = 0; i < levels.length; i += 3) {
    const [red, green, blue] = [levels[i]!, levels[i + 1]!, levels[i + 2]!];
    const value = Math.max(red, green, blue);
    const range = value - Math.min(red, green, blue);
    if (range === 0) data.fill(value, i, i + 3);
    else writeRgb(data, i, (hueOf(red, green, blue, value, range) + turn) & 255, saturationOf(value, range), value);
  }
  return { width, height, data };
}

function saturationOf(value: number, range: number): number {
  return Math.trunc(fround(range / value) * 255);
}

function hueOf(red: number, green: number, blue: number, value: number, range: number): number {
  const toRed = fround((value - red) / range);
  const toGreen = fround((value - green) / range);
  const toBlue = fround((value - blue) / range);
  let sixth: number;
  if (red === value) sixth = fround(toBlue - toGreen);
  else if (green === value) sixth = fround(2 + toRed - toBlue);
  else sixth = fround(4 + toGreen - toRed);
  return Math.trunc(fround((sixth / 6 + 1) % 1) * 255);
}

function writeRgb(out: Uint8Array, o: number, hue: number, saturation: number, value: number): void {
  if (saturation === 0) {
    out.fill(value, o, o + 3);
    return;
  }
  const sector = Math.floor((hue * 6) / 255);
  const within = fround((hue * 6) / 255 - sector);
  const strength = fround(saturation / 255);
  const low = roundHalfUp(value * (1 - strength));
  const falling = roundHalfUp(value * (1 - fround(strength * within)));
  const rising = roundHalfUp(value * (1 - strength * (1 - within)));
  const colours = [
    [value, rising, low],
    [falling, value, low],
    [low, value, rising],
    [low, falling, value],
    [rising, low, value],
    [value, low, falling],
  ];
  out.set(colours[sector % 6]!, o);
}

/** C's `round` of what is not negative. */
function roundHalfUp(x: number): number {
  return Math.floor(x + 0.5);
}
