// The MoSA example: what it can be told, and the folder that a run leaves behind.
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { PeftError } from "@peft/core";
import { repeatCommand } from "../command.js";

export const ENGINES = ["compiled", "compiled:webgpu", "eager"] as const;

export interface MosaOptions {
  /** A folder of class folders, or shared `data/cifar10`; left out, the pictures that come with the repository. */
  data?: string;
  /** Pictures of each class with `data`. */
  perClass: number;
  /** Left out, the recipe's own. */
  epochs?: number;
  seeds: number;
  engine: (typeof ENGINES)[number];
  /** The run folder; left out, `runs/mosa-<time>`. */
  out?: string;
  /** The run folder of an interrupted run, to go on from its checkpoint. */
  resume?: string;
  /** Print `summary.json` and nothing else on standard output. */
  json: boolean;
}

/** Begins the run: makes its folder with `config.json`. Resolves with the folder's path. */
export async function runMosa(options: MosaOptions): Promise<string> {
  const folder = resolve(options.out ?? join("runs", `mosa-${timestamp(new Date())}`));
  const path = join(folder, "config.json");
  const config = { example: "mosa", options, command: repeatCommand("mosa", options) };
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(`${path}.partial`, `${JSON.stringify(config, null, 2)}\n`);
    await rename(`${path}.partial`, path);
  } catch (cause) {
    const hint = "name a folder that can be written with --out";
    throw new PeftError("FILE_UNWRITABLE", "The run folder cannot be written", { place: folder, hint, cause });
  }
  return folder;
}

// 2026-11-23T10-20-30, in UTC: sorts by time and is a legal name on every system.
function timestamp(date: Date): string {
  return date.toISOString().slice(0, 19).replaceAll(":", "-");
}
