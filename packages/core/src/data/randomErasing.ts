// Random erasing (Zhong et al., arXiv 1708.04896) by timm's rules: rectangles of a normalised picture are overwritten, so
// that zero is the mean and noise is standard normal.

import { PeftError } from "../errors.js";
import type { Size } from "./geometry.js";
import { type Draws, drawsFrom } from "./random.js";
import { checkProbability, checkRange, type Range, roundHalfEven } from "./ranges.js";
import type { PixelTransform } from "./transforms.js";

export interface RandomErasingOptions {
  /** @defaultValue 0.5 */
  readonly probability?: number;
  /** What is written: zeros, one random colour a rectangle, or noise in every pixel. @defaultValue "const" */
  readonly mode?: "const" | "rand" | "pixel";
  /** The share of the picture that all its rectangles together aim at. @defaultValue [0.02, 1 / 3] */
  readonly area?: Range;
  /** Height over width of a rectangle; drawn evenly in its logarithm. @defaultValue [0.3, 1 / 0.3] */
  readonly ratio?: Range;
  /** The least and the largest number of rectangles. @defaultValue [1, 1] */
  readonly count?: Range;
}

const TRIES = 10;

/** @throws PeftError ARGUMENT_INVALID for a probability outside 0 .. 1, a bad range, or counts that are not whole */
export function randomErasing(options: RandomErasingOptions = {}): PixelTransform {
  const { probability = 0.5, mode = "const", area = [0.02, 1 / 3], ratio = [0.3, 1 / 0.3], count = [1, 1] } = options;
  checkProbability("the probability", probability);
  checkRange("area", area, 0, 1);
  checkRange("ratio", ratio, Number.MIN_VALUE);
  checkRange("count", count, 1);
  if (!count.every(Number.isInteger)) throw new PeftError("ARGUMENT_INVALID", `a count of ${count}: it is whole`);
  const settings = { probability, mode, area, ratio, count };
  return (pixels, size, key) => erase(pixels, size, settings, drawsFrom(key));
}

/**
 * Draws whether; how many, if that is open; and for each up to ten tries of area and shape, then, for one that fits in,
 * top, left and what is written.
 */
export function erase(
  pixels: Float32Array,
  { width, height }: Size,
  { probability, mode, area, ratio, count: [least, most] }: Required<RandomErasingOptions>,
  draws: Draws,
): void {
  if (draws.uniform() > probability) return;
  const count = least === most ? least : least + draws.below(most - least + 1);
  for (let i = 0; i < count; i++) {
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const target = (draws.between(...area) * (width * height)) / count;
      const shape = Math.exp(draws.between(Math.log(ratio[0]), Math.log(ratio[1])));
      const h = roundHalfEven(Math.sqrt(target * shape));
      const w = roundHalfEven(Math.sqrt(target / shape));
      if (w >= width || h >= height) continue;
      const top = draws.below(height - h + 1);
      const left = draws.below(width - w + 1);
      overwrite(pixels, { width, height }, { left, top, width: w, height: h }, mode, draws);
      break;
    }
  }
}

function overwrite(
  pixels: Float32Array,
  { width, height }: Size,
  part: Size & { left: number; top: number },
  mode: "const" | "rand" | "pixel",
  draws: Draws,
): void {
  for (let channel = 0; channel < 3; channel++) {
    const colour = mode === "rand" ? draws.normal() : 0;
    for (let y = part.top; y < part.top + part.height; y++) {
      const start = (channel * height + y) * width + part.left;
      if (mode === "pixel") for (let i = start; i < start + part.width; i++) pixels[i] = draws.normal();
      else pixels.fill(colour, start, start + part.width);
    }
  }
}
