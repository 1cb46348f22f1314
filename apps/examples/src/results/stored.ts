// The results that are kept: one small file a run, in a folder of its group. Checked against a schema, written or read.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PeftError, readJson, writeJson } from "@peft/core";
import * as v from "valibot";
import type { PlannedRun } from "./study.js";

// This file is built into apps/examples/dist.
export const STORED_FOLDER: string = fileURLToPath(new URL("../results/mosa", import.meta.url));

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const fraction = v.pipe(v.number(), v.minValue(0), v.maxValue(1));

export interface StoredResult {
  format: 1;
  /** The run's id. */
  run: string;
  learningRate: number;
  epochs: number;
  /** On the test pictures, 0 to 1, of the parameters that were best on the validation pictures. */
  accuracy: number;
  /** The same model's with its experts drawn for every batch, and as an ensemble. */
  inference?: { random: number; ensemble: number };
  parametersTrained: number;
  parametersDeployed: number;
  /** Accuracy on the validation pictures after each epoch. */
  validation: number[];
}

const StoredSchema: v.GenericSchema<StoredResult> = v.strictObject({
  format: v.literal(1),
  run: v.string(),
  learningRate: v.pipe(v.number(), v.gtValue(0)),
  epochs: count,
  accuracy: fraction,
  inference: v.optional(v.strictObject({ random: fraction, ensemble: fraction })),
  parametersTrained: count,
  parametersDeployed: count,
  validation: v.pipe(v.array(fraction), v.minLength(1)),
});

export function storedPath(folder: string, { id }: PlannedRun): string {
  return join(folder, id, "result.json");
}

/**
 * The result of a run, undefined where there is none.
 *
 * @throws PeftError CONFIG_INVALID for a file that is not what the schema says, or is another run's; JSON_INVALID
 */
export async function readStored(folder: string, run: PlannedRun): Promise<StoredResult | undefined> {
  const path = storedPath(folder, run);
  if (!existsSync(path)) return undefined;
  const parsed = v.safeParse(StoredSchema, await readJson(path));
  const hint = "delete the file and make the run again with --rerun";
  if (!parsed.success) {
    const wrong = parsed.issues.map((issue) => `${v.getDotPath(issue) ?? "it"}: ${issue.message}`).join("; ");
    throw new PeftError("CONFIG_INVALID", `the result is not valid: ${wrong}`, { place: path, hint });
  }
  const result = parsed.output;
  const { epochs } = run.group;
  const { learningRate, isInferred = false } = run.method;
  const isOfRun = result.run === run.id && result.epochs === epochs && result.learningRate === learningRate;
  if (!isOfRun || isInferred !== (result.inference !== undefined)) {
    const message = `this is not the result of ${run.id} as it is planned`;
    throw new PeftError("CONFIG_INVALID", message, { place: path, hint });
  }
  return result;
}

export async function writeStored(folder: string, run: PlannedRun, result: StoredResult): Promise<void> {
  await writeJson(storedPath(folder, run), result);
}
