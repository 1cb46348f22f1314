// Pictures in a container: NAME.json with `{"classes": [...], "index": [[offset, length, label], ...]}` and NAME.bin, the
// original image files one after another, which are read by byte range.

import { open, stat } from "node:fs/promises";
import { PeftError } from "../errors.js";
import { unreadable } from "../files/fileErrors.js";
import { readJson } from "../files/json.js";
import { checkLabel, type ImageDataset, type ImageExample, itemAt } from "./dataset.js";
import { digest } from "./digest.js";
import { decodeImage } from "./image.js";

/** One image file in a container: beyond this an index is damaged. */
export const MAX_IMAGE_FILE_BYTES: number = 256 * 2 ** 20;

type Row = readonly [offset: number, length: number, label: number];

/** A picture's `id` is the container's row number. */
export class ContainerDataset implements ImageDataset {
  readonly length: number;

  private constructor(
    private readonly binPath: string,
    readonly classes: readonly string[],
    private readonly rows: readonly Row[],
  ) {
    this.length = rows.length;
  }

  /**
   * Opens `NAME.json`; `NAME.bin` lies beside it.
   *
   * @throws PeftError FILE_MISSING, FILE_UNREADABLE, JSON_INVALID; DATA_INVALID for an index that does not fit the
   *   container; DATA_EMPTY for one without rows.
   */
  static async open(jsonPath: string): Promise<ContainerDataset> {
    const { classes, index } = ((await readJson(jsonPath)) ?? {}) as { classes?: unknown; index?: unknown };
    if (!Array.isArray(classes) || !classes.every((name) => typeof name === "string") || !Array.isArray(index)) {
      throw invalid(
        'the index needs "classes", a list of names, and "index", a list of [offset, length, label]',
        jsonPath,
      );
    }
    if (index.length === 0) throw new PeftError("DATA_EMPTY", "the container has no examples", { place: jsonPath });
    const binPath = `${jsonPath.replace(/\.json$/, "")}.bin`;
    const { size } = await stat(binPath).catch((cause) => {
      throw unreadable(binPath, cause);
    });
    for (const [i, row] of index.entries()) checkRow(row, size, classes, `${jsonPath}, row ${i}`);
    return new ContainerDataset(binPath, classes, index as Row[]);
  }

  labelAt(index: number): number {
    return itemAt(this.rows, index)[2];
  }

  async fingerprint(): Promise<string> {
    return digest("container", this.classes, this.rows);
  }

  async get(index: number): Promise<ImageExample> {
    const [offset, length, label] = itemAt(this.rows, index);
    const place = `${this.binPath}, row ${index}`;
    return { image: await decodeImage(await this.readRange(offset, length), place), label, id: String(index) };
  }

  /** Opens anew each time, which costs little beside decoding, and leaves nothing for the user to close. */
  private async readRange(offset: number, length: number): Promise<Uint8Array> {
    try {
      const handle = await open(this.binPath, "r");
      try {
        const bytes = new Uint8Array(length);
        const { bytesRead } = await handle.read(bytes, 0, length, offset);
        return bytes.subarray(0, bytesRead); // a container cut off since it was opened: decoding reports it
      } finally {
        await handle.close();
      }
    } catch (cause) {
      throw unreadable(this.binPath, cause);
    }
  }
}

function checkRow(row: unknown, size: number, classes: readonly string[], place: string): void {
  if (!Array.isArray(row) || row.length < 3) throw invalid("not [offset, length, label]", place);
  const [offset, length, label] = row as unknown[];
  const isRange = Number.isSafeInteger(offset) && Number.isSafeInteger(length);
  if (!isRange || !isWithin(offset as number, length as number, size)) {
    throw invalid(`the bytes from ${offset}, ${length} of them, do not lie in the container's ${size}`, place);
  }
  checkLabel(label, classes, place);
}

function isWithin(offset: number, length: number, size: number): boolean {
  return offset >= 0 && length > 0 && length <= MAX_IMAGE_FILE_BYTES && offset + length <= size;
}

function invalid(message: string, place: string): PeftError {
  return new PeftError("DATA_INVALID", message, { place, hint: "the index and the container do not belong together" });
}
