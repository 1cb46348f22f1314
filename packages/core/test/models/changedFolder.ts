// Copies of a model's folder with something changed in them.

import { mkdtempSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type HostTensor, readSafetensors, writeSafetensors } from "../../src/index.js";

export type Tensors = Map<string, HostTensor>;

export function newFolder(): string {
  return mkdtempSync(join(tmpdir(), "peft-"));
}

/** @param change may change the tensors in place, or give others. @param config fields that replace the config's */
export async function changed(
  source: string,
  change: (tensors: Tensors) => Tensors | undefined,
  config: object = {},
): Promise<string> {
  const folder = newFolder();
  const json = JSON.parse(await readFile(join(source, "config.json"), "utf8"));
  await writeFile(join(folder, "config.json"), JSON.stringify({ ...json, ...config }));
  const tensors = await readSafetensors(join(source, "model.safetensors"));
  await writeSafetensors(join(folder, "model.safetensors"), change(tensors) ?? tensors);
  return folder;
}

export const renamed =
  (rename: (name: string) => string) =>
  (tensors: Tensors): Tensors =>
    new Map([...tensors].map(([name, tensor]) => [rename(name), tensor]));
