// An adapter from the hub into a folder.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PeftError } from "../errors.js";
import { writeTogether } from "../models/folder.js";
import { ask, checkRepository, type Hub, type HubOptions, loadHub } from "./loadHub.js";

export interface DownloadAdapterOptions extends HubOptions {
  /** A branch, a tag or a commit. @defaultValue "main" */
  readonly revision?: string;
  /** Of an adapter that is not the repository's default one. @defaultValue the repository itself */
  readonly subfolder?: string;
}

const CONFIG_FILE = "adapter_config.json";
const WEIGHTS_FILE = "adapter_model.safetensors";
/** The files of an adapter, and the most bytes of each that are taken into memory before they are written. */
const FILES: readonly { readonly name: string; readonly most: number; readonly isNeeded: boolean }[] = [
  { name: CONFIG_FILE, most: 2 ** 20, isNeeded: true },
  // Node.js makes no larger buffer.
  { name: WEIGHTS_FILE, most: 2 ** 32 - 1, isNeeded: true },
  { name: "README.md", most: 2 ** 20, isNeeded: false },
];

/**
 * Downloads an adapter that PEFT or this library wrote, for `PeftModel.fromPretrained`. The folder then holds all of its
 * files, or is as it was.
 *
 * @param repository owner/name on the hub
 * @returns the folder
 * @throws PeftError ARGUMENT_INVALID; PEER_MISSING without @huggingface/hub; HUB_FAILED, also for a file that is too large; FILE_MISSING for a repository
 *   without an adapter in safetensors; FILE_UNWRITABLE
 */
export async function downloadAdapter(
  repository: string,
  directory: string,
  options: DownloadAdapterOptions = {},
): Promise<string> {
  checkRepository(repository);
  const hub = await loadHub();
  const contents = new Map<string, Uint8Array>();
  for (const { name, most, isNeeded } of FILES) {
    const blob = await fileOf(hub, repository, name, options);
    if (!blob && !isNeeded) continue;
    if (!blob) throw missing(repository, name);
    if (blob.size > most) {
      throw new PeftError("HUB_FAILED", `${name} has ${blob.size} bytes, and ${most} are the most`, {
        place: repository,
        hint: "download it with Hugging Face's command line, if it is what you want",
      });
    }
    const bytes = await ask(
      `${name} could not be read`,
      repository,
      async () => new Uint8Array(await blob.arrayBuffer()),
    );
    contents.set(name, bytes);
  }
  await writeTogether(directory, CONFIG_FILE, async (folder) => {
    for (const [name, bytes] of contents) await writeFile(join(folder, name), bytes);
  });
  return directory;
}

function fileOf(
  hub: Hub,
  repository: string,
  name: string,
  { revision, subfolder, accessToken, hubUrl }: DownloadAdapterOptions,
): Promise<Blob | null> {
  const path = subfolder ? `${subfolder}/${name}` : name;
  return ask(`${path} could not be downloaded`, repository, () =>
    hub.downloadFile({ repo: { type: "model", name: repository }, path, revision, accessToken, hubUrl }),
  );
}

function missing(repository: string, name: string): PeftError {
  return new PeftError("FILE_MISSING", `the repository has no ${name}`, {
    place: repository,
    hint: "an adapter has adapter_config.json and adapter_model.safetensors; a pickled one is converted in Python: PeftModel.from_pretrained(...).save_pretrained(...)",
  });
}
