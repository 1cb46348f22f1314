// The folder that a run leaves behind, and what is needed to go on with it.

import { existsSync } from "node:fs";
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
 * The run that is to be in a folder, of which nothing is written yet.
 *
 * @throws PeftError RUN_EXISTS for the folder of another run
 */
export function planRun(options: MosaOptions): RunFolder {
  const now = new Date();
  const path = resolve(options.out ?? join("runs", `mosa-${timestamp(now)}`));
  if (existsSync(join(path, CONFIG))) {
    throw new PeftError("RUN_EXISTS", "the folder holds another run, whose results would be taken for this one's", {
      place: path,
      hint: "go on with that run (--resume), or choose another folder",
    });
  }
  return { path, options, command: repeatCommand("mosa", options), started: now.toISOString() };
}

/** Makes the folder of a planned run, with `config.json`. @throws PeftError FILE_UNWRITABLE */
export async function beginRun({ path, options, command, started }: RunFolder): Promise<void> {
  const { out: _, resume: __, ...kept } = options;
  if (kept.data !== undefined) kept.data = resolve(kept.data);
  await makeFolder(path);
  await writeJson(join(path, CONFIG), { example: "mosa", started, command, options: kept });
}

/** The run that a folder holds. @throws PeftError FILE_MISSING, JSON_INVALID, CONFIG_INVALID */
export async function reopenRun(folder: string, json: boolean): Promise<RunFolder> {
  const path = resolve(folder);
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
