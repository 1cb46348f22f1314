// A folder with an adapter to the hub, in one commit.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { PeftError } from "../errors.js";
import { findFolder } from "../models/folder.js";
import { ask, checkRepository, type HubOptions, loadHub } from "./loadHub.js";

export interface PushToHubOptions extends HubOptions {
  readonly accessToken: string;
  /** Of a repository that is made for it. @defaultValue as the owner's settings have it */
  readonly isPrivate?: boolean;
  /** @defaultValue "main" */
  readonly branch?: string;
  /** @defaultValue "Upload adapter" */
  readonly commitTitle?: string;
}

/** The status of a repository that is there already. */
const CONFLICT = 409;
/** What `savePretrained` writes, in the folder and in those of further adapters. */
const ADAPTER_FILE = /^(adapter_config\.json|adapter_model\.safetensors|README\.md)$/;

/**
 * Uploads what `PeftModel.savePretrained` wrote, further adapters in folders of their names too, and nothing else that is in
 * the folder. The repository is made if need be.
 *
 * @param repository owner/name on the hub
 * @returns the address of the commit
 * @throws PeftError ARGUMENT_INVALID; PEER_MISSING without @huggingface/hub; FILE_MISSING for a folder without an adapter;
 *   HUB_FAILED
 */
export async function pushToHub(directory: string, repository: string, options: PushToHubOptions): Promise<string> {
  checkRepository(repository);
  const paths = await adapterFiles(await findFolder(directory));
  const hub = await loadHub();
  const { accessToken, hubUrl, isPrivate, branch, commitTitle = "Upload adapter" } = options;
  const repo = { type: "model", name: repository } as const;
  const visibility = isPrivate === undefined ? undefined : isPrivate ? "private" : "public";
  await ask("the repository could not be made", repository, async () => {
    await hub.createRepo({ repo, visibility, accessToken, hubUrl }).catch((error: Error & { statusCode?: number }) => {
      if (error.statusCode !== CONFLICT) throw error;
    });
  });
  const files = await Promise.all(
    paths.map(async (path) => ({ path, content: new Blob([await readFile(join(directory, path))]) })),
  );
  const output = await ask("the upload failed", repository, () =>
    hub.uploadFiles({ repo, files, accessToken, hubUrl, branch, commitTitle }),
  );
  return output?.commit.url ?? "";
}

/** Paths with forward slashes. @throws PeftError FILE_MISSING if there is no adapter */
async function adapterFiles(directory: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (entry.isFile() && ADAPTER_FILE.test(entry.name)) found.push(entry.name);
    if (!entry.isDirectory()) continue;
    const inside = await readdir(join(directory, entry.name));
    if (!inside.includes("adapter_config.json")) continue;
    found.push(...inside.filter((name) => ADAPTER_FILE.test(name)).map((name) => `${entry.name}/${name}`));
  }
  if (found.some((path) => path.endsWith("adapter_config.json"))) return found.sort();
  throw new PeftError("FILE_MISSING", "there is no adapter in this folder", {
    place: directory,
    hint: "write one with model.savePretrained(folder)",
  });
}
