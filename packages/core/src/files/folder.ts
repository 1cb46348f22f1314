// Folders that are there whole or not at all: filled beside their place and renamed. A folder cannot be renamed over
// another one, so the old one is kept under another name until the new one is there; who opens the folder next makes good
// what a process left undone that died between the two renamings.

import { randomBytes } from "node:crypto";
import { access, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { PeftError } from "../errors.js";
import { syncFolder } from "./atomic.js";
import { unwritable } from "./fileErrors.js";
import { makeFolder } from "./makeFolder.js";

/**
 * Fills a folder and puts it in the place of the one at `path`.
 *
 * @param fill writes into the folder that it is given
 * @param retire may rename the folder that was there before; it is removed otherwise
 * @throws PeftError FILE_UNWRITABLE; what was at `path` is then still there, or is put back by `recoverFolder`
 */
export async function writeFolderAtomic(
  path: string,
  fill: (folder: string) => Promise<void>,
  retire: (previous: string) => Promise<void> = async () => {},
): Promise<void> {
  const beside = `${hidden(path)}.${randomBytes(6).toString("hex")}.tmp`;
  const previous = previousOf(path);
  try {
    await makeFolder(beside);
    await fill(beside);
    if (await isThere(path)) {
      await rm(previous, { recursive: true, force: true });
      await rename(path, previous);
    }
    await rename(beside, path);
    await syncFolder(dirname(path));
    if (await isThere(previous)) {
      await retire(previous);
      await rm(previous, { recursive: true, force: true });
    }
  } catch (cause) {
    await rm(beside, { recursive: true, force: true }).catch(() => {});
    const isOfFile = cause instanceof PeftError && cause.code === "FILE_UNWRITABLE";
    if (cause instanceof PeftError && !isOfFile) throw cause;
    // Of the folder that was asked for: the file was beside it and is gone.
    throw unwritable(path, isOfFile ? cause.cause : cause);
  }
}

/** Puts a folder back that was moved away for a new one which never came, and removes what was left half filled. */
export async function recoverFolder(path: string): Promise<void> {
  const previous = previousOf(path);
  try {
    if (!(await isThere(path)) && (await isThere(previous))) await rename(previous, path);
    const start = `${basename(hidden(path))}.`;
    for (const name of await readdir(dirname(path))) {
      const isLeft = name.startsWith(start) && (name.endsWith(".tmp") || name === basename(previous));
      if (isLeft) await rm(join(dirname(path), name), { recursive: true, force: true });
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw unwritable(path, cause);
  }
}

/** Where the folder is while it is being replaced. */
export function previousOf(path: string): string {
  return `${hidden(path)}.previous`;
}

function hidden(path: string): string {
  return join(dirname(path), `.${basename(path)}`);
}

export async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
