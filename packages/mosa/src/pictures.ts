// How the paper makes pictures into inputs (`mosa.md` §6.2). All are normalised with ImageNet's mean and deviation
// (`IMAGENET_NORMALIZATION`), not with the [-1, 1] of these checkpoints' own processor.

import {
  centerCropTo,
  compose,
  randomCrop,
  randomHorizontalFlip,
  resizeShortestEdgeTo,
  resizeTo,
  type Transform,
} from "@peft/core";

/** `crop`: the short side resized, then a part cut out and half of them mirrored in training; `square`: resized, no more. */
export type Pictures = "crop" | "square";

/** Sides of pictures, and to what the short side is resized before a part is cut out. */
const RESIZED = { 224: 256, 384: 438, 448: 512 } as const;

export type PictureSide = keyof typeof RESIZED;

export interface PictureTransforms {
  readonly train: Transform;
  readonly test: Transform;
}

/** @param side @defaultValue 224 */
export function pictures(kind: Pictures, side: PictureSide = 224): PictureTransforms {
  const size = { width: side, height: side };
  if (kind === "square") {
    const resized = resizeTo(size, "bilinear");
    return { train: resized, test: resized };
  }
  const resized = resizeShortestEdgeTo(RESIZED[side], "bilinear");
  return {
    train: compose(resized, randomCrop(size), randomHorizontalFlip()),
    test: compose(resized, centerCropTo(size)),
  };
}
