// What a data set is, and views of one: subsets, few examples a class, some of the classes, decoded once.

import { PeftError } from "../errors.js";
import { digest } from "./digest.js";
import type { RgbImage } from "./image.js";
import { permutation } from "./random.js";

/** Examples by position. `get` may read a file. */
export interface Dataset<T> {
  readonly length: number;
  /** @throws PeftError ARGUMENT_INVALID for a position that is not in 0 .. length - 1, and what reading may throw. */
  get(index: number): Promise<T> | T;
  /**
   * A text that tells one data set from another, and from itself after a change, by what can be known without reading
   * examples: their number, names, classes and sizes. Where the files lie plays no part.
   */
  fingerprint(): Promise<string>;
}

/** A picture with its class, an index into `classes` of its data set, and a name that is unique in it. */
export interface ImageExample {
  readonly image: RgbImage;
  readonly label: number;
  readonly id: string;
}

/** Pictures with classes. Labels are known without decoding. */
export interface ImageDataset extends Dataset<ImageExample> {
  readonly classes: readonly string[];
  /** The class of an example. */
  labelAt(index: number): number;
}

/** Examples that are in memory already. */
export class InMemoryDataset implements ImageDataset {
  readonly length: number;

  /** @throws PeftError DATA_INVALID for a label without a class. */
  constructor(
    private readonly examples: readonly ImageExample[],
    readonly classes: readonly string[],
  ) {
    this.length = examples.length;
    for (const { label, id } of examples) checkLabel(label, classes, id);
  }

  labelAt(index: number): number {
    return this.get(index).label;
  }

  get(index: number): ImageExample {
    return itemAt(this.examples, index);
  }

  async fingerprint(): Promise<string> {
    const examples = this.examples.map(({ id, label, image }) => [id, label, image.width, image.height]);
    return digest("pictures", this.classes, examples);
  }
}

/** The item at a position, or an error that says how many there are. */
export function itemAt<T>(items: ArrayLike<T>, index: number): T {
  if (Number.isInteger(index) && index >= 0 && index < items.length) return items[index]!;
  throw new PeftError("ARGUMENT_INVALID", `there is no example ${index}: the data set has ${items.length}`);
}

/** @throws PeftError DATA_INVALID for a label that is not an index of `classes`. */
export function checkLabel(label: unknown, classes: readonly string[], place: string): asserts label is number {
  if (Number.isInteger(label) && (label as number) >= 0 && (label as number) < classes.length) return;
  throw new PeftError("DATA_INVALID", `the label ${label} is not one of the ${classes.length} classes`, {
    place,
    hint: `labels are whole numbers from 0 to ${classes.length - 1}`,
  });
}

/**
 * The examples at the given positions, in their order; positions may repeat.
 *
 * @throws PeftError ARGUMENT_INVALID for a position that does not exist.
 */
export function subset(dataset: ImageDataset, indices: ArrayLike<number>): ImageDataset {
  const positions = Uint32Array.from(indices);
  for (let i = 0; i < indices.length; i++) dataset.labelAt(indices[i]!);
  return {
    length: positions.length,
    classes: dataset.classes,
    labelAt: (index) => dataset.labelAt(itemAt(positions, index)),
    get: (index) => dataset.get(itemAt(positions, index)),
    fingerprint: async () => digest("subset", await dataset.fingerprint(), [...positions]),
  };
}

/**
 * `n` examples of every class, drawn without repetition as a function of the seed, in the order of the data set.
 *
 * @throws PeftError DATA_EMPTY if a class has fewer than `n`.
 */
export function takePerClass(dataset: ImageDataset, n: number, seed: number): ImageDataset {
  const members = membersByClass(dataset);
  const taken = members.flatMap((positions, label) => {
    if (positions.length < n) {
      throw new PeftError(
        "DATA_EMPTY",
        `the class "${dataset.classes[label]}" has ${positions.length} examples, not ${n}`,
        {
          hint: "take fewer, or leave the class out with filterClasses",
        },
      );
    }
    return [...permutation(positions.length, seed, label).subarray(0, n)].map((i) => positions[i]!);
  });
  return subset(
    dataset,
    taken.sort((a, b) => a - b),
  );
}

function membersByClass(dataset: ImageDataset): number[][] {
  const members: number[][] = dataset.classes.map(() => []);
  for (let i = 0; i < dataset.length; i++) members[dataset.labelAt(i)]!.push(i);
  return members;
}

/**
 * The examples of some classes; the labels become positions in `names`.
 *
 * @throws PeftError ARGUMENT_INVALID for a class that does not exist or is named twice.
 */
export function filterClasses(dataset: ImageDataset, names: readonly string[]): ImageDataset {
  const unknown = names.filter((name, i) => !dataset.classes.includes(name) || names.indexOf(name) !== i);
  if (unknown.length > 0) {
    throw new PeftError("ARGUMENT_INVALID", `unknown or repeated classes: ${unknown.join(", ")}`, {
      hint: `the classes are ${dataset.classes.slice(0, 20).join(", ")}${dataset.classes.length > 20 ? ", ..." : ""}`,
    });
  }
  const newLabel = dataset.classes.map((name) => names.indexOf(name));
  const positions: number[] = [];
  for (let i = 0; i < dataset.length; i++) if (newLabel[dataset.labelAt(i)]! >= 0) positions.push(i);
  const kept = subset(dataset, positions);
  return {
    length: kept.length,
    classes: names,
    labelAt: (index) => newLabel[kept.labelAt(index)]!,
    get: async (index) => {
      const example = await kept.get(index);
      return { ...example, label: newLabel[example.label]! };
    },
    fingerprint: async () => digest("classes", await kept.fingerprint(), names),
  };
}

/** Decoded pictures that `cached` keeps at most, so that a set larger than expected does not eat the machine's memory. */
export const CACHE_BYTES: number = 2 ** 30;

/** Keeps decoded pictures in memory, up to CACHE_BYTES of them; for small sets that are read again every epoch. */
export function cached(dataset: ImageDataset): ImageDataset {
  const kept = new Map<number, ImageExample>();
  let bytes = 0;
  return {
    length: dataset.length,
    classes: dataset.classes,
    labelAt: (index) => dataset.labelAt(index),
    get: async (index) => {
      const known = kept.get(index);
      if (known) return known;
      const example = await dataset.get(index);
      const size = example.image.data.byteLength;
      if (!kept.has(index) && bytes + size <= CACHE_BYTES) {
        kept.set(index, example);
        bytes += size;
      }
      return example;
    },
    fingerprint: () => dataset.fingerprint(),
  };
}
