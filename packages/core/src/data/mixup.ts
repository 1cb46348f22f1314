// Mixup (Zhang et al., arXiv 1710.09412) and CutMix (Yun et al., arXiv 1905.04899) of a batch with its mirror image, by
// timm's rules: example i is mixed with example n - 1 - i, and so are their targets, which become shares of the classes.

import { PeftError } from "../errors.js";
import { symmetricBeta } from "./beta.js";
import type { ImageBatch } from "./dataLoader.js";
import type { Size } from "./geometry.js";
import { type Draws, drawsFrom } from "./random.js";
import { checkProbability, checkRange, type Range } from "./ranges.js";
import type { BatchTransform } from "./transforms.js";

export interface MixupOptions {
  /** Number of classes: the width of the mixed targets. */
  readonly classes: number;
  /** Of the Beta distribution that mixup's share comes from; 0 for no mixup. @defaultValue 1 */
  readonly mixupAlpha?: number;
  /** The same for CutMix. @defaultValue 0 */
  readonly cutmixAlpha?: number;
  /** The cut part's sides in shares of the picture's, instead of by a Beta share. @defaultValue none */
  readonly cutmixSides?: Range;
  /** With which a batch (or pair, or example) is mixed at all. @defaultValue 1 */
  readonly probability?: number;
  /** With which it is CutMix where both are on. @defaultValue 0.5 */
  readonly switchProbability?: number;
  /** What shares one draw: the batch, an example and its partner, or nothing. @defaultValue "batch" */
  readonly mode?: "batch" | "pair" | "example";
  /** Share of the target that goes to all classes alike. @defaultValue 0.1 */
  readonly labelSmoothing?: number;
}

/** A rectangle of a picture: rows from `top` up to `bottom`, columns from `left` up to `right`, ends excluded. */
export interface CutBox {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** How an example is mixed: `share` (float32) of it stays, the rest is its partner's, as a part of the area if there is a `box`. */
export interface Mix {
  readonly share: number;
  readonly box?: CutBox;
}

/**
 * Mixes batches. `labels` become float32 [size, classes], which image classifiers take as they take numbers. The example
 * in the middle of a batch of odd size is its own partner.
 *
 * @throws PeftError ARGUMENT_INVALID for settings under which nothing would be mixed or that are out of their range; the
 *   transform throws DATA_INVALID for a label that is not below `classes`
 */
export function mixup(options: MixupOptions): BatchTransform {
  const { classes, mixupAlpha = 1, cutmixAlpha = 0, cutmixSides, labelSmoothing = 0.1 } = options;
  if (!(Number.isInteger(classes) && classes >= 1)) throw new PeftError("ARGUMENT_INVALID", `${classes} classes`);
  if (!(mixupAlpha >= 0 && cutmixAlpha >= 0 && mixupAlpha + cutmixAlpha + (cutmixSides ? 1 : 0) > 0)) {
    throw new PeftError("ARGUMENT_INVALID", `mixupAlpha ${mixupAlpha} and cutmixAlpha ${cutmixAlpha} mix nothing`);
  }
  if (cutmixSides) checkRange("cutmixSides", cutmixSides, 0, 1);
  for (const name of ["probability", "switchProbability", "labelSmoothing"] as const) {
    checkProbability(name, options[name] ?? 0);
  }
  return (batch, key) => {
    const [, , height, width] = batch.inputs.pixelValues.shape as [number, number, number, number];
    const mixes = drawMixes(batch.size, { width, height }, options, drawsFrom(key));
    return applyMixes(batch, mixes, classes, labelSmoothing);
  };
}

/** One mix for each example. */
function drawMixes(count: number, size: Size, options: MixupOptions, draws: Draws): Mix[] {
  const { mode = "batch" } = options;
  if (mode === "batch") return new Array<Mix>(count).fill(drawMix(size, options, draws));
  if (mode === "example") return Array.from({ length: count }, () => drawMix(size, options, draws));
  const half = Array.from({ length: Math.ceil(count / 2) }, () => drawMix(size, options, draws));
  return Array.from({ length: count }, (_, i) => half[Math.min(i, count - 1 - i)]!);
}

function drawMix(size: Size, options: MixupOptions, draws: Draws): Mix {
  const { mixupAlpha = 1, cutmixSides, probability = 1, switchProbability = 0.5 } = options;
  const cutmixAlpha = cutmixSides ? 1 : (options.cutmixAlpha ?? 0);
  if (draws.uniform() >= probability) return { share: 1 };
  const cuts = cutmixAlpha > 0 && (mixupAlpha === 0 || draws.uniform() < switchProbability);
  const share = Math.fround(symmetricBeta(cuts ? cutmixAlpha : mixupAlpha, draws));
  if (!cuts) return { share };
  return cutMix(cutmixSides ? boxOfSides(size, cutmixSides, draws) : boxOfShare(size, share, draws), size);
}

/** A box at an evenly drawn centre, cut off at the picture's edges, that would leave `share` of the area. */
export function boxOfShare({ width, height }: Size, share: number, draws: Draws): CutBox {
  const side = Math.sqrt(1 - share);
  const [h, w] = [Math.trunc(height * side), Math.trunc(width * side)];
  const [y, x] = [draws.below(height), draws.below(width)];
  return {
    top: Math.max(y - Math.floor(h / 2), 0),
    bottom: Math.min(y + Math.floor((h + 1) / 2), height),
    left: Math.max(x - Math.floor(w / 2), 0),
    right: Math.min(x + Math.floor((w + 1) / 2), width),
  };
}

/** A box that lies in the picture, with sides drawn from a range of its shares (the upper end excluded). */
export function boxOfSides({ width, height }: Size, [least, most]: Range, draws: Draws): CutBox {
  const drawn = (side: number) => {
    const [from, to] = [Math.trunc(side * least), Math.trunc(side * most)];
    return from + draws.below(Math.max(to - from, 1));
  };
  const [h, w] = [drawn(height), drawn(width)];
  const [top, left] = [draws.below(height - h + 1), draws.below(width - w + 1)];
  return { top, bottom: top + h, left, right: left + w };
}

/** The share that a box really leaves. */
export function cutMix(box: CutBox, { width, height }: Size): Mix {
  return { share: Math.fround(1 - ((box.bottom - box.top) * (box.right - box.left)) / (width * height)), box };
}

/** Mixes pixels and targets in float32, in the order of timm's arithmetic. */
export function applyMixes(
  batch: ImageBatch,
  mixes: readonly Mix[],
  classes: number,
  labelSmoothing: number,
): ImageBatch {
  const { pixelValues, labels } = batch.inputs;
  const [count, channels, height, width] = pixelValues.shape as [number, number, number, number];
  const original = pixelValues.data as Float32Array;
  const data = original.slice();
  const numbers = channels * height * width;
  for (const [i, { share, box }] of mixes.entries()) {
    const partner = (count - 1 - i) * numbers;
    if (share === 1 || partner === i * numbers) continue;
    if (box) paste(data, original, { to: i * numbers, from: partner, channels, height, width }, box);
    else blend(data.subarray(i * numbers, (i + 1) * numbers), original.subarray(partner, partner + numbers), share);
  }
  const targets = mixedTargets(labels.data as Int32Array, mixes, classes, labelSmoothing, batch.ids);
  return {
    ...batch,
    inputs: {
      pixelValues: { ...pixelValues, data },
      labels: { data: targets, shape: [count, classes], dtype: "float32" },
    },
  };
}

function blend(own: Float32Array, other: Float32Array, share: number): void {
  const { fround } = Math;
  const [weight, otherWeight] = [fround(share), fround(1 - share)];
  for (let i = 0; i < own.length; i++) own[i] = fround(own[i]! * weight) + fround(other[i]! * otherWeight);
}

interface Place extends Size {
  readonly to: number;
  readonly from: number;
  readonly channels: number;
}

function paste(data: Float32Array, original: Float32Array, place: Place, { top, bottom, left, right }: CutBox): void {
  const { to, from, channels, height, width } = place;
  for (let channel = 0; channel < channels; channel++) {
    for (let y = top; y < bottom; y++) {
      const row = (channel * height + y) * width;
      data.set(original.subarray(from + row + left, from + row + right), to + row + left);
    }
  }
}

function mixedTargets(
  labels: Int32Array,
  mixes: readonly Mix[],
  classes: number,
  smoothing: number,
  ids: readonly string[],
): Float32Array {
  const { fround } = Math;
  const [off, on] = [fround(smoothing / classes), fround(1 - smoothing + smoothing / classes)];
  const targets = new Float32Array(labels.length * classes);
  for (const [i, { share }] of mixes.entries()) {
    const [label, other] = [labels[i]!, labels[labels.length - 1 - i]!];
    if (label < 0 || label >= classes) {
      throw new PeftError("DATA_INVALID", `the label ${label} is not one of ${classes} classes`, { place: ids[i] });
    }
    const [weight, otherWeight] = [fround(share), fround(1 - share)];
    for (let c = 0; c < classes; c++) {
      const [own, others] = [c === label ? on : off, c === other ? on : off];
      targets[i * classes + c] = fround(own * weight) + fround(others * otherWeight);
    }
  }
  return targets;
}
