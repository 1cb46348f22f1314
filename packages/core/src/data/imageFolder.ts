// Pictures in a folder of class folders, as torchvision's ImageFolder reads them, with a training, a validation and a
// test part: as folders, if there are any, or by a hash of each file's path.

import { readdir, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { PeftError } from "../errors.js";
import { unreadable } from "../files/fileErrors.js";
import { compareCodePoints } from "../files/json.js";
import { hash, unit } from "../random.js";
import { type ImageDataset, type ImageExample, itemAt } from "./dataset.js";
import { digest } from "./digest.js";
import { decodeImage } from "./image.js";

const EXTENSIONS: ReadonlySet<string> = new Set([".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff"]);
const SPLIT_OF_FOLDER: ReadonlyMap<string, Split> = new Map([
  ["train", "train"],
  ["validation", "validation"],
  ["val", "validation"],
  ["test", "test"],
]);
/** Folders within class folders; more can only be a circle of links. */
const MAX_DEPTH = 16;

type Split = "train" | "validation" | "test";

/** Shares of the whole, used where the folder has no `train`, `validation` (or `val`) and `test` folders of its own. */
export interface SplitShares {
  readonly train: number;
  readonly validation: number;
  readonly test: number;
}

const DEFAULT_SHARES: SplitShares = { train: 0.7, validation: 0.15, test: 0.15 };

interface FoundFile {
  /** Below the root, with forward slashes. */
  readonly path: string;
  readonly label: number;
}

/** An opened folder. A picture's `id` is its path below the root, with forward slashes. */
export interface ImageFolder {
  /** The names of the class folders, sorted by code point. */
  readonly classes: readonly string[];
  readonly train: ImageDataset;
  readonly validation: ImageDataset;
  readonly test: ImageDataset;
  /** All three together. */
  readonly all: ImageDataset;
}

export const ImageFolder: { open: typeof openImageFolder } = { open: openImageFolder };

/**
 * Lists a folder of class folders (pictures may lie in folders deeper in them). If it holds a folder `train` that in
 * turn holds class folders, its folders are the splits; otherwise each file goes to a split by a hash of its path below
 * the root, so that it stays where it is when other files come and go. Hidden files and other types are passed over.
 *
 * @throws PeftError FILE_MISSING, FILE_UNREADABLE; DATA_EMPTY if there are no class folders, if one has no pictures, or if
 *   no picture falls to `train`; DATA_INVALID if a split has a class that `train` lacks, or a folder beside `train` is no
 *   split; ARGUMENT_INVALID for shares that do not add up to 1.
 */
async function openImageFolder(root: string, options: { shares?: SplitShares } = {}): Promise<ImageFolder> {
  const { shares = DEFAULT_SHARES } = options;
  checkShares(shares);
  const folders = (await list(root)).folders;
  const hasSplits = folders.includes("train") && (await list(join(root, "train"))).folders.length > 0;
  const { classes, files } = hasSplits ? await findInSplits(root, folders) : await findInClasses(root, folders, shares);

  const part = (split: Split) =>
    pictures(
      root,
      classes,
      files.filter((file) => file.split === split),
    );
  const train = part("train");
  if (train.length === 0) {
    throw new PeftError("DATA_EMPTY", "no picture falls to the training part", {
      place: root,
      hint: "add pictures, give training a larger share, or make folders train, validation and test",
    });
  }
  const all = pictures(root, classes, files);
  return { classes, train, validation: part("validation"), test: part("test"), all };
}

function pictures(root: string, classes: readonly string[], files: readonly FoundFile[]): ImageDataset {
  return {
    length: files.length,
    classes,
    labelAt: (index) => itemAt(files, index).label,
    get: async (index): Promise<ImageExample> => {
      const { path, label } = itemAt(files, index);
      return { image: await decodeImage(join(root, path)), label, id: path };
    },
    fingerprint: async () => {
      const rows = await Promise.all(
        files.map(async ({ path, label }) => [path, label, await sizeOf(join(root, path))]),
      );
      return digest("folder", classes, rows);
    },
  };
}

async function sizeOf(path: string): Promise<number> {
  const { size } = await stat(path).catch((cause) => {
    throw unreadable(path, cause);
  });
  return size;
}

interface Found {
  readonly classes: readonly string[];
  readonly files: readonly (FoundFile & { split: Split })[];
}

async function findInClasses(root: string, classes: readonly string[], shares: SplitShares): Promise<Found> {
  const files = await findFiles(root, "", classes, classes);
  return { classes, files: files.map((file) => ({ ...file, split: splitByHash(file.path, shares) })) };
}

async function findInSplits(root: string, folders: readonly string[]): Promise<Found> {
  const strangers = folders.filter((folder) => !SPLIT_OF_FOLDER.has(folder));
  if (strangers.length > 0) {
    throw new PeftError("DATA_INVALID", `beside "train" there are folders that are no split: ${strangers.join(", ")}`, {
      place: root,
      hint: `splits are ${[...SPLIT_OF_FOLDER.keys()].join(", ")}: rename the others or move them away`,
    });
  }
  const classes = (await list(join(root, "train"))).folders;
  const files: (FoundFile & { split: Split })[] = [];
  for (const [folder, split] of SPLIT_OF_FOLDER) {
    if (!folders.includes(folder)) continue;
    const present = (await list(join(root, folder))).folders;
    const found = await findFiles(root, `${folder}/`, present, classes);
    files.push(...found.map((file) => ({ ...file, split })));
  }
  return { classes, files };
}

/** The pictures in the class folders `present` below `root/prefix`. */
async function findFiles(
  root: string,
  prefix: string,
  present: readonly string[],
  classes: readonly string[],
): Promise<FoundFile[]> {
  if (present.length === 0) {
    throw new PeftError("DATA_EMPTY", "there are no class folders", {
      place: join(root, prefix),
      hint: "put the pictures of each class into a folder with the class's name",
    });
  }
  const files: FoundFile[] = [];
  for (const name of present) {
    const label = classes.indexOf(name);
    if (label < 0) {
      throw new PeftError("DATA_INVALID", `the class "${name}" has no folder in train`, {
        place: join(root, prefix, name),
        hint: "train needs every class that validation and test have",
      });
    }
    const paths = await findPictures(root, prefix + name, 0);
    if (paths.length === 0) {
      throw new PeftError("DATA_EMPTY", `the class folder "${name}" holds no pictures`, {
        place: join(root, prefix, name),
        hint: `add pictures (${[...EXTENSIONS].join(", ")}) or remove the folder`,
      });
    }
    for (const path of paths) files.push({ path, label });
  }
  return files;
}

async function findPictures(root: string, folder: string, depth: number): Promise<string[]> {
  const { folders, files } = await list(join(root, folder));
  const pictures = files
    .filter((file) => EXTENSIONS.has(extname(file).toLowerCase()))
    .map((file) => `${folder}/${file}`);
  if (depth >= MAX_DEPTH) return pictures;
  for (const inner of folders) pictures.push(...(await findPictures(root, `${folder}/${inner}`, depth + 1)));
  return pictures;
}

/** Names of folders and of files, links followed, hidden ones left out, sorted by code point. */
async function list(folder: string): Promise<{ folders: string[]; files: string[] }> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause) => {
    throw unreadable(folder, cause);
  });
  const folders: string[] = [];
  const files: string[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith(".")) continue;
    const kind = entry.isSymbolicLink() ? await stat(join(folder, entry.name)).catch(() => entry) : entry;
    if (kind.isDirectory()) folders.push(entry.name);
    else if (kind.isFile()) files.push(entry.name);
  }
  return { folders: folders.sort(compareCodePoints), files: files.sort(compareCodePoints) };
}

function splitByHash(path: string, shares: SplitShares): Split {
  // Composed characters, because macOS lists names decomposed and other systems as they were written.
  const place = unit(hash(...Buffer.from(path.normalize("NFC"))));
  if (place < shares.train) return "train";
  return place < shares.train + shares.validation ? "validation" : "test";
}

function checkShares({ train, validation, test }: SplitShares): void {
  const isShare = [train, validation, test].every((share) => share >= 0);
  if (isShare && Math.abs(train + validation + test - 1) < 1e-9) return;
  throw new PeftError("ARGUMENT_INVALID", `the shares ${train}, ${validation} and ${test} do not add up to 1`);
}
