// Picture transforms as plain functions. A random one is given a key and depends on it alone, so that an example's
// augmentation is a function of (seed, epoch, position in the data set), whatever was loaded before.

import { PeftError } from "../errors.js";
import { type CenterRule, centerCrop, crop, flipHorizontal, resizeShortestEdge, type Size } from "./geometry.js";
import type { RgbImage } from "./image.js";
import { type AugmentationKey, augmentationKey, uniformAt } from "./random.js";
import { type ResizeFilter, resize } from "./resize.js";

/** Makes a picture into another; deterministic transforms pass over the key. */
export type Transform = (image: RgbImage, key: AugmentationKey) => RgbImage;

/** Transforms one after another, each with a key of its own. */
export function compose(...transforms: Transform[]): Transform {
  return (image, key) =>
    transforms.reduce((current, transform, i) => transform(current, augmentationKey(key, i)), image);
}

/** `resize` as a transform. */
export function resizeTo(size: Size, filter: ResizeFilter): Transform {
  return (image) => resize(image, size, filter);
}

/** `resizeShortestEdge` as a transform. */
export function resizeShortestEdgeTo(size: number, filter: ResizeFilter): Transform {
  return (image) => resizeShortestEdge(image, size, filter);
}

/** `centerCrop` as a transform. */
export function centerCropTo(size: Size, rule?: CenterRule): Transform {
  return (image) => centerCrop(image, size, rule);
}

/**
 * A part of the given size from a uniformly drawn place.
 *
 * The transform throws PeftError ARGUMENT_INVALID for a smaller picture.
 */
export function randomCrop(size: Size): Transform {
  return (image, key) => {
    if (image.width < size.width || image.height < size.height) {
      throw new PeftError(
        "ARGUMENT_INVALID",
        `cannot crop ${size.width}x${size.height} from a ${image.width}x${image.height} picture`,
        { hint: "resize before cropping" },
      );
    }
    const top = Math.floor(uniformAt(key, 0) * (image.height - size.height + 1));
    const left = Math.floor(uniformAt(key, 1) * (image.width - size.width + 1));
    return crop(image, { ...size, left, top });
  };
}

/** Mirrors left and right with the given probability. */
export function randomHorizontalFlip(probability = 0.5): Transform {
  return (image, key) => (uniformAt(key) < probability ? flipHorizontal(image) : image);
}
