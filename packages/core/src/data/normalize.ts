// From 8-bit levels to the float32 that a vision model takes. A level has only 256 values, so the arithmetic is done
// once for each of them and channel, in the order and precision of Python's libraries, and then looked up.

import { PeftError } from "../errors.js";
import type { RgbImage } from "./image.js";

/** How levels become numbers: `(level * rescale - mean) / std` for each of red, green and blue. */
export interface Normalization {
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
  /** What a level is multiplied by. @defaultValue 1 / 255 */
  readonly rescale?: number;
}

/** ImageNet's statistics, used by torchvision's models, DeiT, Swin, and in MoSA's recipes. */
export const IMAGENET_NORMALIZATION: Normalization = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** To [-1, 1]: the image processor of Hugging Face's ViT checkpoints. */
export const HALF_NORMALIZATION: Normalization = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

/**
 * A picture as `[3, height, width]` float32, equal bit for bit to transformers 5.18's image processors (PIL path: the
 * level times `rescale` in float64, rounded to float32, then `(x - mean) / std` in float32) and to torchvision's
 * `ToTensor` and `Normalize` (which divide by 255 in float32: the same number for all 256 levels).
 *
 * @throws PeftError ARGUMENT_INVALID for a standard deviation that is not positive.
 */
export function toFloatCHW(image: RgbImage, normalization: Normalization): Float32Array {
  const out = new Float32Array(3 * image.width * image.height);
  writeFloatCHW(image, normalizationTables(normalization), out);
  return out;
}

/** What each level of each channel becomes: three tables of 256. */
export type NormalizationTables = readonly Float32Array[];

export function normalizationTables({ mean, std, rescale = 1 / 255 }: Normalization): NormalizationTables {
  return mean.map((channelMean, channel) => {
    const channelStd = Math.fround(std[channel]!);
    if (!(channelStd > 0))
      throw new PeftError("ARGUMENT_INVALID", `the standard deviation ${std[channel]} is not positive`);
    const shift = Math.fround(channelMean);
    return Float32Array.from({ length: 256 }, (_, level) => {
      return Math.fround(Math.fround(level * rescale) - shift) / channelStd;
    });
  });
}

/** As `toFloatCHW`, into an array of 3 * height * width numbers. */
export function writeFloatCHW(image: RgbImage, tables: NormalizationTables, out: Float32Array): void {
  const pixels = image.width * image.height;
  for (const [channel, table] of tables.entries()) {
    const start = channel * pixels;
    for (let i = 0; i < pixels; i++) out[start + i] = table[image.data[3 * i + channel]!]!;
  }
}
