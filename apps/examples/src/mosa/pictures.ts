// The pictures that the host is adapted to, in training, validation and test.

import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  ContainerDataset,
  cached,
  filterClasses,
  type ImageDataset,
  ImageFolder,
  PeftError,
  subset,
  takePerClass,
} from "@peft/core";
import { PRETRAINING_CLASSES } from "../pretrain/index.js";
import { FASHION_FOLDER } from "./assets.js";
import { isSlow, type MosaOptions } from "./options.js";

export interface Pictures {
  readonly description: string;
  readonly classes: readonly string[];
  readonly train: ImageDataset;
  readonly validation: ImageDataset;
  readonly test: ImageDataset;
}

/** CIFAR-10's, in the order of its labels. */
const CIFAR10_CLASSES = [...PRETRAINING_CLASSES, "frog", "horse", "ship", "truck"];

/** Validation pictures of each class, where they are taken from a container's training part. */
const VALIDATION_PER_CLASS = 50;
/** On a slow engine: pictures of each class, in each part. */
const FEW_PER_CLASS = 2;
/** Which pictures of a class are taken; the same for every method and seed. */
const SEED = 0;

/** @throws PeftError FILE_MISSING, DATA_EMPTY, DATA_INVALID and what reading pictures throws */
export async function openPictures({
  data,
  perClass,
  engine,
}: Pick<MosaOptions, "data" | "perClass" | "engine">): Promise<Pictures> {
  const pictures = await openAll(data, perClass);
  if (!isSlow(engine)) return pictures;
  const few = (dataset: ImageDataset): ImageDataset => takeAtMost(dataset, FEW_PER_CLASS);
  const { train, validation, test } = pictures;
  return { ...pictures, train: few(train), validation: few(validation), test: few(test) };
}

async function openAll(data: string | undefined, perClass: number): Promise<Pictures> {
  if (data === undefined) {
    const { classes, train, validation, test } = await ImageFolder.open(FASHION_FOLDER);
    return { description: "Fashion-MNIST, a sample", classes, ...inMemory({ train, validation, test }) };
  }
  if (existsSync(join(data, "train.json"))) return fewOf(await openContainer(data), data, perClass);
  const { classes, train, validation, test } = await ImageFolder.open(data);
  return { description: data, classes, ...inMemory({ train: takeAtMost(train, perClass), validation, test }) };
}

/**
 * The classes of CIFAR-10 that the host has not seen.
 *
 * @param data the folder of its container
 * @throws PeftError DATA_INVALID for a container of other classes, FILE_MISSING where there is none, and what reading
 *   pictures throws
 */
export async function openCifar10(data: string, perClass: number): Promise<Pictures> {
  const container = await openContainer(data);
  for (const [part, { classes }] of Object.entries(container)) {
    if (classes.join() === CIFAR10_CLASSES.join()) continue;
    throw new PeftError("DATA_INVALID", `the classes are not CIFAR-10's, but ${classes.join(", ")}`, {
      place: join(data, `${part}.json`),
      hint: `name the folder of CIFAR-10's container, whose classes are ${CIFAR10_CLASSES.join(", ")}`,
    });
  }
  return fewOf(container, data, perClass);
}

async function openContainer(data: string): Promise<Record<"train" | "dev", ImageDataset>> {
  const open = async (name: string): Promise<ImageDataset> => ContainerDataset.open(join(data, `${name}.json`));
  return { train: await open("train"), dev: await open("dev") };
}

/** Of a CIFAR-10 container the classes that the host has not seen, or all of another container's. */
function fewOf({ train: whole, dev }: Record<"train" | "dev", ImageDataset>, data: string, perClass: number): Pictures {
  const seen: readonly string[] = PRETRAINING_CLASSES;
  const classes = whole.classes.filter((name) => !seen.includes(name));
  const known = filterClasses(whole, classes);
  // One draw of both, so that no picture is in both.
  const drawn = takePerClass(known, perClass + VALIDATION_PER_CLASS, SEED);
  const [train, validation] = divide(drawn, perClass);
  const description = `the ${classes.length} classes of ${data} that the host has not seen, ${perClass} pictures each`;
  return { description, classes, ...inMemory({ train, validation, test: filterClasses(dev, classes) }) };
}

/** The first `count` of every class, and the rest. */
function divide(dataset: ImageDataset, count: number): [ImageDataset, ImageDataset] {
  const seen = new Map<number, number>();
  const parts: [number[], number[]] = [[], []];
  for (let i = 0; i < dataset.length; i++) {
    const label = dataset.labelAt(i);
    const before = seen.get(label) ?? 0;
    seen.set(label, before + 1);
    parts[before < count ? 0 : 1].push(i);
  }
  return [subset(dataset, parts[0]), subset(dataset, parts[1])];
}

function takeAtMost(dataset: ImageDataset, count: number): ImageDataset {
  return divide(dataset, count)[0];
}

function inMemory(parts: Pick<Pictures, "train" | "validation" | "test">): typeof parts {
  return { train: cached(parts.train), validation: cached(parts.validation), test: cached(parts.test) };
}
