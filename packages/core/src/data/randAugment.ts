// RandAugment (Cubuk et al., arXiv 1909.13719) as torchvision has it: some operations drawn from a list, all at one
// magnitude. timm's, which differs in list, scale and fill, is `timmRandAugment.ts`.

import { PeftError } from "../errors.js";
import { type AffineFilter, type AffineMatrix, rotate, transformAffine } from "./affine.js";
import { adjustBrightness, adjustContrast, adjustSaturation, adjustSharpness } from "./color.js";
import type { Rgb, RgbImage } from "./image.js";
import { autoContrast, equalize, posterize, solarize } from "./levels.js";
import { type Draws, drawsFrom } from "./random.js";
import { roundHalfEven } from "./ranges.js";
import type { Transform } from "./transforms.js";

export interface RandAugmentOptions {
  /** Operations a picture. @defaultValue 2 */
  readonly operations?: number;
  /** 0 .. 30, of the 31 strengths. @defaultValue 9 */
  readonly magnitude?: number;
  /** Of turns, shears and shifts. @defaultValue "nearest" */
  readonly filter?: AffineFilter;
  /** The colour that turns, shears and shifts leave behind. @defaultValue black */
  readonly fill?: Rgb;
}

/** torchvision's `num_magnitude_bins`. */
const MAGNITUDES = 31;

interface Outside {
  readonly filter: AffineFilter;
  readonly fill?: Rgb;
}

interface Operation {
  readonly strength?: (magnitude: number, image: RgbImage) => number;
  /** Whether the strength is negated in half of the cases. */
  readonly signed?: boolean;
  readonly apply: (image: RgbImage, strength: number, outside: Outside) => RgbImage;
}

/** Even steps from the first magnitude to the last, in float32 and from both ends, as `torch.linspace` makes them. */
function linspace(from: number, to: number, magnitude: number): number {
  const step = Math.fround(Math.fround(Math.fround(to) - from) / (MAGNITUDES - 1));
  const isFirstHalf = magnitude < Math.floor(MAGNITUDES / 2);
  return Math.fround(isFirstHalf ? from + step * magnitude : Math.fround(to) - step * (MAGNITUDES - 1 - magnitude));
}

const upTo = (largest: number) => (magnitude: number) => linspace(0, largest, magnitude);

/** In torchvision's order, from which an operation is drawn. */
export const TORCHVISION_OPERATIONS: Readonly<Record<string, Operation>> = {
  Identity: { apply: (image) => image },
  ShearX: { strength: upTo(0.3), signed: true, apply: (image, s, to) => shear(image, s, 0, to) },
  ShearY: { strength: upTo(0.3), signed: true, apply: (image, s, to) => shear(image, 0, s, to) },
  TranslateX: {
    strength: (magnitude, { width }) => linspace(0, (150 / 331) * width, magnitude),
    signed: true,
    apply: (image, s, to) => shift(image, Math.trunc(s), 0, to),
  },
  TranslateY: {
    strength: (magnitude, { height }) => linspace(0, (150 / 331) * height, magnitude),
    signed: true,
    apply: (image, s, to) => shift(image, 0, Math.trunc(s), to),
  },
  Rotate: { strength: upTo(30), signed: true, apply: (image, s, { filter, fill }) => rotate(image, s, filter, fill) },
  Brightness: { strength: upTo(0.9), signed: true, apply: (image, s) => adjustBrightness(image, 1 + s) },
  Color: { strength: upTo(0.9), signed: true, apply: (image, s) => adjustSaturation(image, 1 + s) },
  Contrast: { strength: upTo(0.9), signed: true, apply: (image, s) => adjustContrast(image, 1 + s) },
  Sharpness: { strength: upTo(0.9), signed: true, apply: (image, s) => adjustSharpness(image, 1 + s) },
  Posterize: { strength: (magnitude) => 8 - roundHalfEven((4 * magnitude) / (MAGNITUDES - 1)), apply: posterize },
  Solarize: { strength: (magnitude) => linspace(255, 0, magnitude), apply: solarize },
  AutoContrast: { apply: autoContrast },
  Equalize: { apply: equalize },
};

/**
 * Operations drawn with replacement from torchvision's fourteen: Identity, ShearX and ShearY (up to 0.3), TranslateX and
 * TranslateY (up to 150/331 of the side), Rotate (up to 30 degrees), Brightness, Color, Contrast and Sharpness (factor up
 * to 0.9 from 1), Posterize (8 to 4 bits), Solarize (threshold 255 to 0), AutoContrast, Equalize.
 *
 * @throws PeftError ARGUMENT_INVALID for a magnitude outside 0 .. 30
 */
export function randAugment(options: RandAugmentOptions = {}): Transform {
  const { operations = 2, magnitude = 9, filter = "nearest", fill } = options;
  if (!(Number.isInteger(magnitude) && magnitude >= 0 && magnitude < MAGNITUDES)) {
    throw new PeftError("ARGUMENT_INVALID", `a magnitude of ${magnitude}: it is whole, 0 to ${MAGNITUDES - 1}`);
  }
  return (image, key) => augment(image, operations, magnitude, { filter, fill }, drawsFrom(key));
}

/** Draws, for each operation, which one and, if it has a sign, the sign. */
export function augment(image: RgbImage, count: number, magnitude: number, outside: Outside, draws: Draws): RgbImage {
  const names = Object.keys(TORCHVISION_OPERATIONS);
  let current = image;
  for (let i = 0; i < count; i++) {
    const { strength, signed, apply } = TORCHVISION_OPERATIONS[names[draws.below(names.length)]!]!;
    const amount = strength?.(magnitude, image) ?? 0;
    current = apply(current, signed && draws.below(2) === 1 ? -amount : amount, outside);
  }
  return current;
}

/** Around the corner of the picture. torchvision goes by angles: the tangent of the arc tangent, in degrees between. */
function shear(image: RgbImage, x: number, y: number, { filter, fill }: Outside): RgbImage {
  const angle = (slope: number) => Math.atan(slope) * (180 / Math.PI) * (Math.PI / 180);
  const [angleX, angleY] = [angle(x), angle(y)];
  const [slopeX, cos, sin] = [Math.tan(angleX), Math.cos(-angleY), Math.sin(-angleY)];
  const across = (cos * slopeX) / cos;
  const matrix: AffineMatrix = [(-sin * slopeX) / cos + 1, across, 0, -sin / cos, 1, 0];
  return transformAffine(image, matrix, filter, fill);
}

/** To the right and down. */
function shift(image: RgbImage, x: number, y: number, { filter, fill }: Outside): RgbImage {
  return transformAffine(image, [1, 0, -x, 0, 1, -y], filter, fill);
}
