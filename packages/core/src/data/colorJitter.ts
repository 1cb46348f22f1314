// torchvision's ColorJitter: brightness, contrast, saturation and hue, each changed by a drawn factor, in a drawn order.

import { PeftError } from "../errors.js";
import { adjustBrightness, adjustContrast, adjustHue, adjustSaturation } from "./color.js";
import type { RgbImage } from "./image.js";
import { type AugmentationKey, permutation, uniformAt } from "./random.js";
import { checkRange, type Range } from "./ranges.js";
import type { Transform } from "./transforms.js";

export interface ColorJitterOptions {
  /** The factor's range, or how far it goes from 1 (not below 0). @defaultValue 0 */
  readonly brightness?: number | Range;
  /** As `brightness`. @defaultValue 0 */
  readonly contrast?: number | Range;
  /** As `brightness`. @defaultValue 0 */
  readonly saturation?: number | Range;
  /** The range of the turn in shares of the whole circle, or how far it goes from 0, at most 0.5. @defaultValue 0 */
  readonly hue?: number | Range;
}

interface Jitter {
  readonly range: Range;
  readonly adjust: (image: RgbImage, factor: number) => RgbImage;
}

/**
 * Changes colours at random. What has a range without extent at "no change" is left out (hue costs a little exactness
 * even then).
 *
 * @throws PeftError ARGUMENT_INVALID for a range that is not allowed
 */
export function colorJitter(options: ColorJitterOptions): Transform {
  const { brightness = 0, contrast = 0, saturation = 0, hue = 0 } = options;
  const jitters: (Jitter | undefined)[] = [
    factorJitter("brightness", brightness, adjustBrightness),
    factorJitter("contrast", contrast, adjustContrast),
    factorJitter("saturation", saturation, adjustSaturation),
    hueJitter(hue),
  ];
  return (image, key) => jitter(image, jitters, key);
}

function jitter(image: RgbImage, jitters: readonly (Jitter | undefined)[], key: AugmentationKey): RgbImage {
  const order = permutation(jitters.length, key, jitters.length); // a counter that no factor has
  return order.reduce((current, i) => {
    const one = jitters[i];
    if (!one) return current;
    const [from, to] = one.range;
    return one.adjust(current, from + (to - from) * uniformAt(key, i));
  }, image as RgbImage);
}

function factorJitter(name: string, given: number | Range, adjust: Jitter["adjust"]): Jitter | undefined {
  if (typeof given === "number" && given < 0) {
    throw new PeftError("ARGUMENT_INVALID", `a ${name} of ${given}: it is not negative`);
  }
  const range: Range = typeof given === "number" ? [Math.max(0, 1 - given), 1 + given] : given;
  checkRange(name, range, 0);
  return range[0] === 1 && range[1] === 1 ? undefined : { range, adjust };
}

function hueJitter(given: number | Range): Jitter | undefined {
  const range: Range = typeof given === "number" ? [-given, given] : given;
  checkRange("hue", range, -0.5, 0.5);
  return range[0] === 0 && range[1] === 0 ? undefined : { range, adjust: adjustHue };
}
