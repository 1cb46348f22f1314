// Data sets of the fine-grained benchmarks (`mosa.md` §6.2): a JSON file for each part that maps a picture's path to its
// class, and for the low-resource setting one for each share of the training pictures.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeImage, type ImageDataset, PeftError } from "@peft/core";
import * as v from "valibot";

export interface AnnotatedImagesOptions {
  /** @defaultValue "train" */
  readonly part?: "train" | "val" | "test";
  /** The share of the training pictures, whose list is `train_<share>.json`. @defaultValue all of them, `train.json` */
  readonly share?: number;
  /** Where paths start from. @defaultValue the folder itself */
  readonly images?: string;
  /** Classes in the order of labels, such as the training set's. @defaultValue the file's, sorted */
  readonly classes?: readonly string[];
}

/** More than any of the benchmarks has. */
const MOST_PICTURES = 10_000_000;

const Annotations = v.record(v.string(), v.union([v.string(), v.number()]));

/**
 * The pictures that an annotation file lists, in its order. Classes are its ids: sorted, as numbers where they are, and
 * counted from 0.
 *
 * @throws PeftError DATA_INVALID for a file that is not such a list, for a class that is not among `classes`, and for a
 *   share of anything but the training set
 */
export async function annotatedImages(folder: string, options: AnnotatedImagesOptions = {}): Promise<ImageDataset> {
  const { part = "train", share, images = folder } = options;
  if (share !== undefined && part !== "train") {
    throw new PeftError("DATA_INVALID", `a share is of the training set, and the part is ${part}`, { place: "share" });
  }
  const path = join(folder, share === undefined ? `${part}.json` : `${part}_${share}.json`);
  const entries = await annotations(path);
  const classes = options.classes ?? sortedClasses(entries.map(([, id]) => id));
  const labelOf = new Map(classes.map((name, label) => [name, label]));
  const labels = entries.map(([picture, id]) => {
    const label = labelOf.get(id);
    if (label !== undefined) return label;
    throw new PeftError("DATA_INVALID", `${picture} is of class ${id}, which is not among the classes`, {
      place: path,
    });
  });
  return {
    length: entries.length,
    classes,
    labelAt: (index) => labels[index]!,
    get: async (index) => {
      const [id] = entries[index]!;
      return { image: await decodeImage(await readFile(join(images, id))), label: labels[index]!, id };
    },
    fingerprint: async () => JSON.stringify([classes, entries]),
  };
}

async function annotations(path: string): Promise<[picture: string, id: string][]> {
  const found = await json(path);
  const parsed = v.safeParse(Annotations, found);
  if (!parsed.success || Array.isArray(found)) {
    throw new PeftError("DATA_INVALID", "the file is no map from pictures to classes", { place: path });
  }
  const entries = Object.entries(parsed.output).map(([picture, id]) => [picture, String(id)] as [string, string]);
  if (entries.length > 0 && entries.length <= MOST_PICTURES) return entries;
  throw new PeftError("DATA_INVALID", `the file lists ${entries.length} pictures`, { place: path });
}

async function json(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    throw new PeftError("DATA_INVALID", `the list of pictures cannot be read: ${(cause as Error).message}`, {
      place: path,
    });
  }
}

function sortedClasses(ids: readonly string[]): string[] {
  const unique = [...new Set(ids)];
  const areNumbers = unique.every((id) => id.trim() !== "" && Number.isFinite(Number(id)));
  return areNumbers ? unique.sort((a, b) => Number(a) - Number(b)) : unique.sort();
}
