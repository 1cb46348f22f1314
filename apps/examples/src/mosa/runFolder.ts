// The folder that a run leaves behind, and what is needed to go on with it.

import { join, resolve } from "node:path";
import { makeFolder, PeftError, readJson, writeJson } from "@peft/core";
import * as v from "valibot";
import { repeatCommand } from "../command.js";
import { ENGINES, type MosaOptions } from "./options.js";

const CONFIG = "config.json";

const ConfigSchema = v.object({
  example: v.literal("mosa"),
  started: v.string(),
  command: v.string(),
  options: v.object({
    data: v.optional(v.string()),
    perClass: v.number(),
    epochs: v.optional(v.number()),
    seeds: v.number(),
    engine: v.picklist(ENGINES),
    json: v.boolean(),
  }),
});

export interface RunFolder {
  readonly path: string;
  readonly options: MosaOptions;
  /** The command that repeats the run. */
  readonly command: string;
  /** ISO 8601. */
  readonly started: string;
}

/**
 * Begins a run: makes its folder with `config.json`; with `resume`, reads the folder of a run that is there.
 *
 * @throws PeftError FILE_UNWRITABLE; with `resume` FILE_MISSING, CONFIG_INVALID
 */
export async function openRunFolder(options: MosaOptions): Promise<RunFolder> {
  if (options.resume !== undefined) return reopen(resolve(options.resume), options.json);
  const path = resolve(options.out ?? join("runs", `mosa-${timestamp(new Date())}`));
  const { out: _, resume: __, ...kept } = options;
  if (kept.data !== undefined) kept.data = resolve(kept.data);
  const started = new Date().toISOString();
  const command = repeatCommand("mosa", options);
  await makeFolder(path);
  await writeJson(join(path, CONFIG), { example: "mosa", started, command, options: kept });
  return { path, options, command, started };
}

async function reopen(path: string, json: boolean): Promise<RunFolder> {
  const parsed = v.safeParse(ConfigSchema, await readJson(join(path, CONFIG)));
  if (!parsed.success) {
    throw new PeftError("CONFIG_INVALID", "this is not the folder of a run of this example", { place: path });
  }
  const { options, command, started } = parsed.output;
  return { path, options: { ...options, json }, command, started };
}

// 2026-11-23T10-20-30, in UTC: sorts by time and is a legal name on every system.
function timestamp(date: Date): string {
  return date.toISOString().slice(0, 19).replaceAll(":", "-");
}
