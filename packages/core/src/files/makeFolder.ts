// Making a folder with those above it. Node's own recursive mkdir never returns where a file system answers that a folder
// is not there although the one above it is, as /proc does; this one gives up.

import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { unwritable } from "./fileErrors.js";

/** Makes a folder, and those above it, if it is not there. @throws PeftError FILE_UNWRITABLE */
export async function makeFolder(path: string): Promise<void> {
  await make(path).catch((cause) => {
    throw unwritable(path, cause);
  });
}

async function make(path: string): Promise<void> {
  try {
    // Not an error where the folder is there, and one where a file is.
    await makeOne(path);
  } catch (error) {
    const above = dirname(path);
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || above === path) throw error;
    await make(above);
    await makeOne(path);
  }
}

async function makeOne(path: string): Promise<void> {
  await mkdir(path).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code === "EEXIST" && (await isFolder(path))) return;
    throw error;
  });
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path)).isDirectory();
}
