// Operations that put each level of each channel in another's place, equal to Pillow's `ImageOps` bit for bit.

import type { RgbImage } from "./image.js";

/** What each of the 256 levels becomes. */
type Table = Uint8Array;

function tableOf(level: (level: number) => number): Table {
  return Uint8Array.from({ length: 256 }, (_, i) => level(i));
}

/** The same table for all channels, or one for each. */
function lookUp({ width, height, data: levels }: RgbImage, ...tables: readonly Table[]): RgbImage {
  const data = new Uint8Array(levels.length);
  for (let i = 0; i < levels.length; i++) data[i] = tables[i % tables.length]![levels[i]!]!;
  return { width, height, data };
}

/** How often each level stands in a channel. */
function histogram({ data }: RgbImage, channel: number): Uint32Array {
  const counts = new Uint32Array(256);
  for (let i = channel; i < data.length; i += 3) counts[data[i]!]!++;
  return counts;
}

/** Negates. */
export function invert(image: RgbImage): RgbImage {
  return lookUp(
    image,
    tableOf((level) => 255 - level),
  );
}

/** Keeps the upper `bits` (0 to 8) of each level. */
export function posterize(image: RgbImage, bits: number): RgbImage {
  const mask = ~(2 ** (8 - bits) - 1);
  return lookUp(
    image,
    tableOf((level) => level & mask),
  );
}

/** Negates the levels from `threshold` on. */
export function solarize(image: RgbImage, threshold: number): RgbImage {
  return lookUp(
    image,
    tableOf((level) => (level < threshold ? level : 255 - level)),
  );
}

/** Adds to the levels below 128, up to 255: timm's `solarize_add`. */
export function solarizeAdd(image: RgbImage, addend: number): RgbImage {
  return lookUp(
    image,
    tableOf((level) => (level < 128 ? Math.min(255, level + addend) : level)),
  );
}

/** Stretches each channel so that its darkest level becomes 0 and its brightest 255. */
export function autoContrast(image: RgbImage): RgbImage {
  return lookUp(image, ...[0, 1, 2].map((channel) => stretching(histogram(image, channel))));
}

function stretching(counts: Uint32Array): Table {
  const low = counts.findIndex((count) => count > 0);
  const high = counts.findLastIndex((count) => count > 0);
  if (high <= low) return tableOf((level) => level);
  const scale = 255 / (high - low);
  const offset = -low * scale;
  return tableOf((level) => Math.min(Math.max(Math.trunc(level * scale + offset), 0), 255));
}

/** Spreads the levels of each channel so that they are about equally frequent. */
export function equalize(image: RgbImage): RgbImage {
  return lookUp(image, ...[0, 1, 2].map((channel) => equalizing(histogram(image, channel))));
}

function equalizing(counts: Uint32Array): Table {
  const present = counts.filter((count) => count > 0);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const step = Math.floor((total - present.at(-1)!) / 255);
  if (step === 0) return tableOf((level) => level);
  let below = Math.floor(step / 2);
  return tableOf((level) => {
    const result = Math.min(Math.floor(below / step), 255);
    below += counts[level]!;
    return result;
  });
}
