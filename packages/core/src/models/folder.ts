// Folders of models on disk: finding the one that is meant, and writing one so that it is seen whole or not at all.

import { randomBytes } from "node:crypto";
import { readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { PeftError } from "../errors.js";
import { makeFolder } from "../files/index.js";

/** A name on the Hugging Face hub: owner/name. */
const HUB_ID = /^[\w-][\w.-]*\/[\w.-]+$/;

/**
 * The folder that a user means by a model.
 *
 * @throws PeftError HUB_ID for the name of a model on the hub, FILE_MISSING if there is no such folder
 */
export async function findFolder(directory: string): Promise<string> {
  const info = await stat(directory).catch(() => undefined);
  if (info?.isDirectory()) return directory;
  if (!info && HUB_ID.test(directory)) {
    const target = directory.split("/")[1]!;
    throw new PeftError(
      "HUB_ID",
      `"${directory}" is not a folder here; it looks like a model on the Hugging Face hub`,
      {
        hint: `download it first, with Hugging Face's command line: hf download ${directory} --local-dir ${target}; then name the folder`,
      },
    );
  }
  throw new PeftError("FILE_MISSING", info ? "this is a file, not a model's folder" : "there is no such folder", {
    place: directory,
    hint: "name the folder that holds config.json and the .safetensors file",
  });
}

/**
 * Writes several files into a folder, which is made if need be. They are written aside first; then the marker, without
 * which a reader takes the folder for empty, is taken away, the files are put in place, and the marker comes last.
 *
 * @param marker name of one of the files
 * @param write puts the files into the folder that it is given
 * @throws PeftError FILE_UNWRITABLE; what `write` throws. The folder is then as it was.
 */
export async function writeTogether(
  directory: string,
  marker: string,
  write: (folder: string) => Promise<void>,
): Promise<void> {
  const aside = join(directory, `.${randomBytes(6).toString("hex")}.tmp`);
  try {
    await makeFolder(aside);
    await write(aside);
    const files = (await readdir(aside)).filter((file) => file !== marker);
    await rm(join(directory, marker), { force: true });
    for (const file of [...files, marker]) await rename(join(aside, file), join(directory, file));
    await rmdir(aside);
  } catch (cause) {
    await rm(aside, { recursive: true, force: true }).catch(() => {});
    // The folder goes only if it is empty, that is, if it was made here.
    await rmdir(directory).catch(() => {});
    if (cause instanceof PeftError) throw cause;
    throw new PeftError("FILE_UNWRITABLE", `cannot be written: ${(cause as Error).message}`, {
      place: directory,
      hint: "choose another folder, or check this one's permissions",
      cause,
    });
  }
}
