// Where a run begins: at a checkpoint or anew, and never over another run.

import { dirname, join, resolve } from "node:path";
import { PeftError } from "../errors.js";
import { isThere, recoverFolder } from "../files/folder.js";
import { BEST, findTrainingCheckpoint, LAST } from "./checkpoints.js";
import type { TrainerOptions } from "./trainerOptions.js";

/**
 * The checkpoint to go on from, if there is to be one. Makes good what a process left undone that died while it wrote
 * one.
 *
 * @throws PeftError FILE_MISSING; RUN_EXISTS if the output folder has the checkpoints of a run that is not gone on with
 */
export async function startingPoint({
  outputDir,
  resume,
}: Pick<TrainerOptions, "outputDir" | "resume">): Promise<string | undefined> {
  if (outputDir === undefined) return find(resume);
  for (const name of [LAST, BEST]) await recoverFolder(join(outputDir, name));
  const last = join(outputDir, LAST);
  const hasRun = await isThere(last);
  if (resume === true) return hasRun ? last : undefined;
  const found = await find(resume);
  const isOwn = found !== undefined && dirname(resolve(found)) === resolve(outputDir);
  if (!hasRun || isOwn) return found;
  throw new PeftError("RUN_EXISTS", "the folder holds the checkpoints of another run, which would be written over", {
    place: outputDir,
    hint: "go on with that run (resume: true), choose another folder, or delete its checkpoints",
  });
}

async function find(resume: string | true | undefined): Promise<string | undefined> {
  return typeof resume === "string" ? findTrainingCheckpoint(resume) : undefined;
}

/** The best checkpoint of the run that a checkpoint belongs to. @throws PeftError FILE_MISSING */
export async function bestBeside(checkpoint: string): Promise<string> {
  const best = join(dirname(checkpoint), BEST);
  if (await isThere(best)) return best;
  throw new PeftError("FILE_MISSING", "the best checkpoint so far is not beside the one to resume from", {
    place: best,
    hint: "resume without loadBest",
  });
}
