// Transforms as plain functions, of pictures, of normalised pixels, and of whole batches. A random one is given a key and
// depends on it alone, so that an example's augmentation is a function of (seed, epoch, position in the data set), and a
// batch's of (seed, epoch, position in the epoch), whatever was loaded before.

import { PeftError } from "../errors.js";
import { grayscale } from "./color.js";
import type { ImageBatch } from "./dataLoader.js";
import {
  type CenterRule,
  centerCrop,
  crop,
  flipHorizontal,
  flipVertical,
  type ImagePadMode,
  type Margins,
  pad,
  resizeShortestEdge,
  type Size,
} from "./geometry.js";
import type { Rgb, RgbImage } from "./image.js";
import { type AugmentationKey, augmentationKey, uniformAt } from "./random.js";
import { type ResizeFilter, resize } from "./resize.js";

/** Makes a picture into another; deterministic transforms pass over the key. */
export type Transform = (image: RgbImage, key: AugmentationKey) => RgbImage;

/** Changes a picture's normalised numbers, [3, height, width], in place. */
export type PixelTransform = (pixels: Float32Array, size: Size, key: AugmentationKey) => void;

/** Makes a batch into another. */
export type BatchTransform = (batch: ImageBatch, key: AugmentationKey) => ImageBatch;

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

/** `pad` as a transform; before `randomCrop`, the augmentation that is usual for CIFAR. */
export function padBy(margins: Margins, mode?: ImagePadMode, fill?: Rgb): Transform {
  return (image) => pad(image, margins, mode, fill);
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

/** Turns upside down with the given probability. */
export function randomVerticalFlip(probability = 0.5): Transform {
  return (image, key) => (uniformAt(key) < probability ? flipVertical(image) : image);
}

/** Takes the colours away with the given probability. */
export function randomGrayscale(probability = 0.1): Transform {
  return (image, key) => (uniformAt(key) < probability ? grayscale(image) : image);
}
