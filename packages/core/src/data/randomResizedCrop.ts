// A random part of a picture, of random area and shape, resized to one size: torchvision's RandomResizedCrop (Inception's
// crop), by its rule of ten tries and then the middle.

import { crop, type Size } from "./geometry.js";
import { type Draws, drawsFrom } from "./random.js";
import { checkRange, type Range, roundHalfEven } from "./ranges.js";
import { type ResizeFilter, resize } from "./resize.js";
import type { Transform } from "./transforms.js";

export interface RandomResizedCropOptions {
  /** The part's share of the picture's area. @defaultValue [0.08, 1] */
  readonly scale?: Range;
  /** Width over height of the part; drawn evenly in its logarithm. @defaultValue [3 / 4, 4 / 3] */
  readonly ratio?: Range;
  /** @defaultValue "bilinear" */
  readonly filter?: ResizeFilter;
}

const TRIES = 10;

/**
 * A random part of the picture, resized.
 *
 * @throws PeftError ARGUMENT_INVALID for a range that is not positive or runs backwards
 */
export function randomResizedCrop(size: Size, options: RandomResizedCropOptions = {}): Transform {
  const { scale = [0.08, 1], ratio = [3 / 4, 4 / 3], filter = "bilinear" } = options;
  checkRange("scale", scale, Number.MIN_VALUE);
  checkRange("ratio", ratio, Number.MIN_VALUE);
  return (image, key) => {
    // Cropped first, so that nothing outside the part shows in it, as in torchvision.
    return resize(crop(image, randomArea(image, scale, ratio, drawsFrom(key))), size, filter);
  };
}

interface Area extends Size {
  readonly left: number;
  readonly top: number;
}

/** Where to crop. A try draws area and shape, and, if they fit in, top and left. */
export function randomArea({ width, height }: Size, scale: Range, ratio: Range, draws: Draws): Area {
  for (let i = 0; i < TRIES; i++) {
    const area = width * height * draws.between(...scale);
    const shape = Math.exp(draws.between(Math.log(ratio[0]), Math.log(ratio[1])));
    const w = roundHalfEven(Math.sqrt(area * shape));
    const h = roundHalfEven(Math.sqrt(area / shape));
    if (w < 1 || w > width || h < 1 || h > height) continue;
    const top = draws.below(height - h + 1);
    return { top, left: draws.below(width - w + 1), width: w, height: h };
  }
  let [w, h] = [width, height];
  if (width / height < ratio[0]) h = roundHalfEven(width / ratio[0]);
  else if (width / height > ratio[1]) w = roundHalfEven(height * ratio[1]);
  return { top: Math.floor((height - h) / 2), left: Math.floor((width - w) / 2), width: w, height: h };
}
