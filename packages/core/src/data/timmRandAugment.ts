// RandAugment as timm has it (`rand_augment_transform`, "rand-m9-mstd0.5-inc1" and the like): each drawn operation is
// applied with a probability, at a magnitude that may vary, and what leaves the picture shows the mean colour.

import { PeftError } from "../errors.js";
import { type AffineFilter, type AffineMatrix, rotate, transformAffine } from "./affine.js";
import { adjustBrightness, adjustContrast, adjustSaturation, adjustSharpness } from "./color.js";
import type { Rgb, RgbImage } from "./image.js";
import { autoContrast, equalize, invert, posterize, solarize, solarizeAdd } from "./levels.js";
import { type Draws, drawsFrom } from "./random.js";
import { checkProbability } from "./ranges.js";
import type { Transform } from "./transforms.js";

export interface TimmRandAugmentOptions {
  /** `m`, of 10. @defaultValue 10 */
  readonly magnitude?: number;
  /** `n`, operations drawn a picture. @defaultValue 2 */
  readonly operations?: number;
  /** `p`, with which a drawn operation is applied. @defaultValue 0.5 */
  readonly probability?: number;
  /** `mstd`: the magnitude's deviation; Infinity draws it evenly from 0 to `magnitude`. @defaultValue 0 */
  readonly magnitudeDeviation?: number;
  /** `mmax`, to which the magnitude is cut off. @defaultValue 10 */
  readonly largestMagnitude?: number;
  /** `inc`: whether all operations grow stronger with the magnitude. @defaultValue false */
  readonly increasing?: boolean;
  /** Of turns, shears and shifts; `random` draws bilinear or bicubic for each. @defaultValue "random" */
  readonly filter?: AffineFilter | "random";
  /** The colour that turns, shears and shifts leave behind; timm's loader takes the data's mean. @defaultValue grey, 128 */
  readonly fill?: Rgb;
}

/** Turns, shears and shifts wait for a filter, which is drawn last. */
type Applied = (image: RgbImage, filter: () => AffineFilter, fill: Rgb) => RgbImage;

/** An operation at a share of its scale (magnitude / 10, which may exceed 1); draws a sign if it has one. */
type Operation = (share: number, draws: Draws) => Applied;

const SCALE = 10;

const negated = (x: number, draws: Draws) => (draws.uniform() > 0.5 ? -x : x);
const plain = (apply: (image: RgbImage) => RgbImage): Operation => {
  return () => (image) => apply(image);
};

type Enhance = (image: RgbImage, factor: number) => RgbImage;
/** Factors 0.1 to 1.9: weakest in the middle of the scale. */
const enhancing = (adjust: Enhance): Operation => {
  return (share) => (image) => adjust(image, share * 1.8 + 0.1);
};
/** Factors up to 0.9 from 1. */
const enhancingMore = (adjust: Enhance): Operation => {
  return (share, draws) => {
    const factor = Math.max(0.1, 1 + negated(share * 0.9, draws));
    return (image) => adjust(image, factor);
  };
};

type MatrixOf = (amount: number, image: RgbImage) => AffineMatrix;
const moving = (largest: number, matrix: MatrixOf): Operation => {
  return (share, draws) => {
    const amount = negated(share * largest, draws);
    return (image, filter, fill) => transformAffine(image, matrix(amount, image), filter(), fill);
  };
};
const turning: Operation = (share, draws) => {
  const degrees = negated(share * 30, draws);
  return (image, filter, fill) => rotate(image, degrees, filter(), fill);
};

const posterizing = (bits: (share: number) => number): Operation => {
  return (share) => (image) => (bits(share) >= 8 ? image : posterize(image, bits(share)));
};
const solarizing = (threshold: (share: number) => number): Operation => {
  return (share) => (image) => solarize(image, threshold(share));
};
const bits = (share: number) => Math.trunc(share * 4);
const threshold = (share: number) => Math.min(256, Math.trunc(share * 256));

const addingBelowMiddle: Operation = (share) => (image) => solarizeAdd(image, Math.min(128, Math.trunc(share * 110)));

/** The first and the last of both lists. */
const FIRST: Readonly<Record<string, Operation>> = {
  AutoContrast: plain(autoContrast),
  Equalize: plain(equalize),
  Invert: plain(invert),
  Rotate: turning,
};
const LAST: Readonly<Record<string, Operation>> = {
  ShearX: moving(0.3, (x) => [1, x, 0, 0, 1, 0]),
  ShearY: moving(0.3, (y) => [1, 0, 0, y, 1, 0]),
  TranslateXRel: moving(0.45, (x, { width }) => [1, 0, x * width, 0, 1, 0]),
  TranslateYRel: moving(0.45, (y, { height }) => [1, 0, 0, 0, 1, y * height]),
};

/** timm's `_RAND_TRANSFORMS`, in its order. */
const TIMM_OPERATIONS: Readonly<Record<string, Operation>> = {
  ...FIRST,
  Posterize: posterizing(bits),
  Solarize: solarizing(threshold),
  SolarizeAdd: addingBelowMiddle,
  Color: enhancing(adjustSaturation),
  Contrast: enhancing(adjustContrast),
  Brightness: enhancing(adjustBrightness),
  Sharpness: enhancing(adjustSharpness),
  ...LAST,
};

/** timm's `_RAND_INCREASING_TRANSFORMS`, in its order. */
const TIMM_INCREASING_OPERATIONS: Readonly<Record<string, Operation>> = {
  ...FIRST,
  PosterizeIncreasing: posterizing((share) => 4 - bits(share)),
  SolarizeIncreasing: solarizing((share) => 256 - threshold(share)),
  SolarizeAdd: addingBelowMiddle,
  ColorIncreasing: enhancingMore(adjustSaturation),
  ContrastIncreasing: enhancingMore(adjustContrast),
  BrightnessIncreasing: enhancingMore(adjustBrightness),
  SharpnessIncreasing: enhancingMore(adjustSharpness),
  ...LAST,
};

/**
 * Operations drawn with replacement from timm's fifteen: AutoContrast, Equalize, Invert, Rotate (up to 30 degrees),
 * Posterize (0 to 4 bits; increasing: 4 to 0), Solarize (threshold 0 to 256; increasing: 256 to 0), SolarizeAdd (up to
 * 110), Color, Contrast, Brightness, Sharpness (factor 0.1 to 1.9; increasing: up to 0.9 from 1), ShearX, ShearY (up to
 * 0.3), TranslateXRel, TranslateYRel (up to 0.45 of the side), each at magnitude 10.
 *
 * @throws PeftError ARGUMENT_INVALID for a negative magnitude or deviation, or a probability outside 0 .. 1
 */
export function timmRandAugment(options: TimmRandAugmentOptions = {}): Transform {
  const { magnitude = SCALE, probability = 0.5, magnitudeDeviation = 0 } = options;
  checkProbability("the probability", probability);
  if (!(magnitude >= 0 && magnitudeDeviation >= 0)) {
    throw new PeftError(
      "ARGUMENT_INVALID",
      `a magnitude of ${magnitude} +- ${magnitudeDeviation}: neither is negative`,
    );
  }
  return (image, key) => timmAugment(image, options, drawsFrom(key));
}

/** Draws all operations; then, for each, whether it is applied, its magnitude, sign and filter, as far as it has them. */
export function timmAugment(image: RgbImage, options: TimmRandAugmentOptions, draws: Draws): RgbImage {
  const { operations: count = 2, probability = 0.5, increasing = false, fill = [128, 128, 128] } = options;
  const { filter = "random" } = options;
  const operations = Object.values(increasing ? TIMM_INCREASING_OPERATIONS : TIMM_OPERATIONS);
  const drawnFilter = () => (filter !== "random" ? filter : draws.below(2) === 0 ? "bilinear" : "bicubic");
  const chosen = Array.from({ length: count }, () => operations[draws.below(operations.length)]!);
  return chosen.reduce((current, operation) => {
    if (probability < 1 && draws.uniform() > probability) return current;
    return operation(drawnMagnitude(options, draws) / SCALE, draws)(current, drawnFilter, fill);
  }, image);
}

function drawnMagnitude(options: TimmRandAugmentOptions, draws: Draws): number {
  const { magnitude = SCALE, magnitudeDeviation = 0, largestMagnitude = SCALE } = options;
  let drawn = magnitude;
  if (magnitudeDeviation === Number.POSITIVE_INFINITY) drawn = draws.between(0, magnitude);
  else if (magnitudeDeviation > 0) drawn = magnitude + magnitudeDeviation * draws.normal();
  return Math.max(0, Math.min(drawn, largestMagnitude));
}
