// Files that are there whole or not at all: written beside their place under a temporary name, flushed to the disk, and
// renamed, which is one step for the file system.

import { randomBytes } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { PeftError } from "../errors.js";
import { unwritable } from "./fileErrors.js";
import { makeFolder } from "./makeFolder.js";

/** One write to the operating system stays below 2 GiB, the most that Linux takes at once. */
const WRITE_BYTES = 2 ** 30;

/**
 * Writes a file so that `path` holds either its old content or all of the new one. Missing folders are made.
 *
 * @throws PeftError FILE_UNWRITABLE
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  await writeAtomically(path, [typeof data === "string" ? new TextEncoder().encode(data) : data]);
}

/** As `writeFileAtomic`, of several pieces one after another, which are asked for as they are written. */
export async function writeAtomically(
  path: string,
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  const folder = dirname(path);
  // A dot and a random part: not found by patterns such as *.safetensors, and not shared by two writers.
  const temporary = join(folder, `.${basename(path).slice(0, 100)}.${randomBytes(6).toString("hex")}.tmp`);
  let handle: FileHandle | undefined;
  try {
    await makeFolder(folder);
    handle = await open(temporary, "wx");
    for await (const piece of pieces) await writeFully(handle, piece);
    await handle.sync();
    await handle.close();
    await rename(temporary, path);
  } catch (cause) {
    if (handle) {
      await handle.close().catch(() => {});
      await rm(temporary, { force: true }).catch(() => {});
    }
    // What the pieces' maker throws is its own.
    const isOwn = cause instanceof PeftError && cause.code !== "FILE_UNWRITABLE";
    throw isOwn ? cause : unwritable(path, cause);
  }
  await syncFolder(folder);
}

async function writeFully(handle: FileHandle, piece: Uint8Array): Promise<void> {
  for (let done = 0; done < piece.length; ) {
    const { bytesWritten } = await handle.write(piece, done, Math.min(piece.length - done, WRITE_BYTES));
    done += bytesWritten;
  }
}

/** Makes the renaming itself last over a power cut, where the platform can (Windows cannot open folders). */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, "r");
    await handle.sync().finally(() => handle.close());
  } catch {
    // The file is in place; only its durability depends on the file system's own habits.
  }
}
