// Makes the runs that are missing, one after another. Each goes on from its checkpoint where it was stopped; one that
// another process is at work on is left to it, so that several may share the work.

import { join } from "node:path";
import { compile, PeftError, type PeftModel, readImageProcessor, readRunLog, useEngine } from "@peft/core";
import { withInference } from "@peft/mosa";
import type * as tf from "@tensorflow/tfjs";
import { checkHost } from "../mosa/assets.js";
import { openCifar10 } from "../mosa/pictures.js";
import { type Setting, testLoader, train } from "../mosa/training.js";
import { readStored, type StoredResult, writeStored } from "./stored.js";
import { type Group, type PlannedRun, plannedRuns } from "./study.js";

const BATCH = 32;

export interface RerunOptions {
  /** The folder of the CIFAR-10 container. */
  readonly data: string;
  /** Where finished results go. */
  readonly results: string;
  /** Where checkpoints are. */
  readonly work: string;
  /** Runs whose id it fits. @defaultValue all */
  readonly only?: RegExp;
  readonly groups?: readonly Group[];
  readonly signal: AbortSignal;
  /** Told a line a run. */
  readonly say: (line: string) => void;
}

/**
 * @throws PeftError of what is missing or damaged, DATA_INVALID for pictures that are not CIFAR-10's: nothing is written
 *   then; the signal's reason when it is aborted, after a checkpoint
 */
export async function rerun({ data, results, work, only, groups, signal, say }: RerunOptions): Promise<void> {
  await useEngine("compiled");
  const runs = plannedRuns(groups).filter(({ id }) => only?.test(id) ?? true);
  const settings = new Map<Group, Setting>();
  for (const [i, run] of runs.entries()) {
    if (await readStored(results, run)) continue;
    const { group } = run;
    const setting = settings.get(group) ?? (await openSetting(group, data, signal));
    settings.set(group, setting);
    const place = `${i + 1} of ${runs.length}, ${run.id}`;
    try {
      const result = await makeRun(run, join(work, run.id), setting);
      await writeStored(results, run, result);
      say(`${place}: ${(100 * result.accuracy).toFixed(1)} %`);
    } catch (error) {
      if (!(error instanceof PeftError && error.code === "FOLDER_LOCKED")) throw error;
      say(`${place}: another process is at work on it`);
    }
  }
}

async function openSetting({ host, perClass, epochs }: Group, data: string, signal: AbortSignal): Promise<Setting> {
  checkHost(host);
  const [pictures, processor] = await Promise.all([openCifar10(data, perClass), readImageProcessor(host)]);
  return { host, pictures, processor, epochs, batchSize: BATCH, signal };
}

async function makeRun(
  { id, group, method, seed }: PlannedRun,
  folder: string,
  setting: Setting,
): Promise<StoredResult> {
  const { result, model } = await train(method, seed, folder, setting);
  try {
    const { accuracy, parametersTrained, parametersDeployed } = result;
    const { events } = await readRunLog(folder);
    const validation = events.flatMap((event) => (event.type === "evaluation" ? [event.metrics.accuracy ?? 0] : []));
    return {
      format: 1,
      run: id,
      learningRate: method.learningRate,
      epochs: group.epochs,
      accuracy,
      ...(method.isInferred && {
        inference: {
          random: await accuracyUnder("random", model, seed, setting),
          ensemble: await accuracyUnder("ensemble", model, seed, setting),
        },
      }),
      parametersTrained,
      parametersDeployed,
      validation: validation.map((share) => Number(share.toFixed(4))),
    };
  } finally {
    model.dispose();
  }
}

/** On the test pictures. Every batch is a step, and so has draws of its own, which `evaluate`'s batches do not. */
async function accuracyUnder(
  inference: "random" | "ensemble",
  model: PeftModel,
  seed: number,
  setting: Setting,
): Promise<number> {
  const view = withInference(model, inference);
  const answer = compile((pixelValues) => view.forward({ pixelValues: pixelValues! }).logits);
  let [right, examples, step] = [0, 0, 0];
  for await (const { inputs, size } of testLoader(setting).batches(0, { start: 0, signal: setting.signal })) {
    setting.signal.throwIfAborted();
    const logits = (await answer.at({ seed, step: step++ })(inputs.pixelValues!)) as tf.Tensor2D;
    const rows = await logits.array();
    logits.dispose();
    const labels = inputs.labels!.data;
    right += rows.filter((row, i) => row.indexOf(Math.max(...row)) === labels[i]).length;
    examples += size;
  }
  return right / examples;
}
