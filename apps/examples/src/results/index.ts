// `pnpm results mosa`: the tables of the study from its stored results, and what they say to the paper's findings; with
// --rerun, the runs that are missing are made first.

import { join, resolve } from "node:path";
import { PeftError } from "@peft/core";
import { INTERRUPTED, listenForInterrupt } from "../interrupt.js";
import { formatResults, resultsJson } from "./format.js";
import { rerun } from "./rerun.js";
import { readResults } from "./rows.js";
import { STORED_FOLDER } from "./stored.js";

export interface ResultsOptions {
  /** Make the runs that are missing. */
  rerun: boolean;
  /** The folder of the CIFAR-10 container, for `rerun`. */
  data?: string;
  /** The folder of the results; left out, the one of the repository. */
  out?: string;
  /** Of `rerun`: runs whose id it fits. */
  only?: RegExp;
  /** Print one JSON document instead of tables. */
  json: boolean;
}

/** Checkpoints of the runs under way; those of other results are beside them. */
const WORK = "runs/results-mosa";

/**
 * @throws PeftError ARGUMENT_INVALID for `rerun` without data, and for data and `only` without `rerun`; CONFIG_INVALID,
 *   JSON_INVALID for a damaged result; what `rerun` throws
 */
export async function results({ rerun: isRerun, data, out, only, json }: ResultsOptions): Promise<void> {
  const folder = out === undefined ? STORED_FOLDER : resolve(out);
  const idle = !isRerun && Object.entries({ data, only }).find(([, value]) => value !== undefined);
  if (idle) {
    const [option] = idle;
    throw new PeftError("ARGUMENT_INVALID", `--${option} is for making runs`, {
      place: `--${option}`,
      hint: "give --rerun too, or leave it out to print what is stored",
    });
  }
  if (isRerun) {
    if (data === undefined) {
      throw new PeftError("ARGUMENT_INVALID", "--rerun needs pictures", {
        place: "--data",
        hint: "name the folder of the CIFAR-10 container",
      });
    }
    const say = (line: string): void => console.error(line);
    const interrupt = listenForInterrupt({
      onInterrupt: () => say("\nStopping after this step. The same command goes on from here."),
    });
    const { signal } = interrupt;
    const work = out === undefined ? resolve(WORK) : join(folder, "work");
    try {
      await rerun({ data, results: folder, work, only, signal, say });
    } catch (error) {
      if (!signal.aborted) throw error;
      process.exitCode = INTERRUPTED;
      return;
    } finally {
      interrupt.release();
    }
  }
  const found = await readResults(folder);
  console.log(json ? JSON.stringify(resultsJson(found)) : formatResults(found));
}
