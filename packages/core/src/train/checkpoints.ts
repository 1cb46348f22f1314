// Training checkpoints: a folder with `trainer_state.json` (where the run is, and what it must agree with) and
// `training.safetensors` (trained parameters, their averages, optimizer state, the method's own state). It is there whole
// or not at all.

import { readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as v from "valibot";
import type { Parameter } from "../engine/index.js";
import { PeftError } from "../errors.js";
import { isThere, previousOf, writeFolderAtomic } from "../files/folder.js";
import { type HostTensor, readJson, readSafetensors, writeJson, writeSafetensors } from "../files/index.js";
import type { Waiting } from "./best.js";
import type { Best } from "./events.js";

const STATE_FILE = "trainer_state.json";
const TENSORS_FILE = "training.safetensors";
const VERSION = 2;

/** Where a run is. */
export interface Progress {
  /** Steps done. */
  readonly step: number;
  /** The epoch at work, counted from 0, and how many of its batches are done. */
  readonly epoch: number;
  readonly position: number;
  /** The step after which the model was last evaluated. */
  readonly evaluatedStep: number | null;
  readonly best: Best | null;
  readonly waiting: Waiting;
  /** Whether the run ended early. */
  readonly stopped: boolean;
}

/** In the order in which a checkpoint is read: two runs that are the same leave the same bytes. */
export const START: Progress = {
  step: 0,
  epoch: 0,
  position: 0,
  evaluatedStep: null,
  best: null,
  waiting: { best: null, evaluations: 0 },
  stopped: false,
};

/** What a run must have in common with the one it goes on from, to end with the same numbers. */
export interface Agreement {
  readonly seed: number;
  readonly batchesPerEpoch: number;
  /** Batches a step. */
  readonly accumulate: number;
  /** The optimizer's name. */
  readonly optimizer: string;
  /** The training data's fingerprint, if the source tells one. */
  readonly data: string | null;
}

export interface CheckpointState {
  readonly progress: Progress;
  readonly agreement: Agreement;
}

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const checkpointState = v.object({
  version: v.literal(VERSION),
  progress: v.object({
    step: count,
    epoch: count,
    position: count,
    evaluatedStep: v.nullable(count),
    best: v.nullable(v.object({ metric: v.string(), value: v.number(), step: count })),
    waiting: v.object({ best: v.nullable(v.number()), evaluations: count }),
    stopped: v.boolean(),
  }),
  agreement: v.object({
    seed: v.number(),
    batchesPerEpoch: count,
    accumulate: count,
    optimizer: v.string(),
    data: v.nullable(v.string()),
  }),
});

/** Everything that a checkpoint holds the numbers of. */
export interface CheckpointParameters {
  readonly parameters: ReadonlyMap<string, Parameter>;
  readonly averages: ReadonlyMap<string, Parameter>;
  readonly optimizer: ReadonlyMap<string, Parameter>;
  readonly method: ReadonlyMap<string, Parameter>;
}

/**
 * Writes a checkpoint and puts it in the place of the one at `folder`.
 *
 * @param keep checkpoints in all: as many of those before are kept under the names of their steps. @defaultValue those that are
 *   kept stay as they are
 * @throws PeftError FILE_UNWRITABLE; what was at `folder` is then still there
 */
export async function writeTrainingCheckpoint(
  folder: string,
  state: CheckpointState,
  parameters: CheckpointParameters,
  keep?: number,
): Promise<void> {
  const tensors = new Map<string, HostTensor>();
  for (const [key, parameter] of keyed(parameters)) {
    const data = await parameter.read();
    tensors.set(key, { dtype: parameter.dtype, shape: parameter.shape, data } as HostTensor);
  }
  const fill = async (beside: string): Promise<void> => {
    await writeSafetensors(join(beside, TENSORS_FILE), tensors);
    await writeJson(join(beside, STATE_FILE), { version: VERSION, ...state });
  };
  const inRun = dirname(folder);
  const { step } = state.progress;
  await writeFolderAtomic(folder, fill, keep === undefined ? undefined : (old) => retire(old, inRun, keep - 1, step));
}

/**
 * Keeps the checkpoint that was the last until now under the name of its step, unless that is the new one's, and removes the
 * oldest ones.
 */
async function retire(previous: string, folder: string, keep: number, newStep: number): Promise<void> {
  const step = (await stateIn(previous))?.progress.step;
  if (step !== undefined && step < newStep && keep > 0) {
    const kept = join(folder, `checkpoint-${step}`);
    if (await stateIn(kept)) await rm(kept, { recursive: true });
    if (!(await isThere(kept))) await rename(previous, kept);
  }
  const steps: number[] = [];
  for (const name of await readdir(folder)) {
    const step = RETIRED.exec(name)?.[1];
    if (step !== undefined && (await stateIn(join(folder, name)))) steps.push(Number(step));
  }
  for (const step of steps.sort((a, b) => b - a).slice(keep)) {
    await rm(join(folder, `checkpoint-${step}`), { recursive: true, force: true });
  }
}

const RETIRED = /^checkpoint-(\d+)$/;

/** The state of a checkpoint of ours; undefined for other trainers' folders, whose names are the same. */
async function stateIn(folder: string): Promise<CheckpointState | undefined> {
  return readState(folder).catch(() => undefined);
}

/**
 * Reads a checkpoint into parameters. All is checked before the first number is replaced.
 *
 * @param folder the checkpoint's folder
 * @returns where its run was
 * @throws PeftError FILE_MISSING, CHECKPOINT_INVALID for a damaged one, CHECKPOINT_MISMATCH for one of another run
 */
export async function readTrainingCheckpoint(
  folder: string,
  expected: Agreement,
  parameters: CheckpointParameters,
): Promise<Progress> {
  const state = await readState(folder);
  const tensors = await whole(folder, readSafetensors(join(folder, TENSORS_FILE)));
  const differences = [...optionDifferences(state.agreement, expected), ...tensorDifferences(tensors, parameters)];
  if (differences.length > 0) {
    const onlyData = differences.every((difference) => difference.startsWith("data: "));
    throw new PeftError(
      "CHECKPOINT_MISMATCH",
      `the checkpoint is of another run:\n  ${differences.slice(0, MAX_DIFFERENCES).join("\n  ")}`,
      {
        place: folder,
        hint: onlyData
          ? "the training data is not what the run began with: restore it, or begin a new run"
          : "resume with the model, adapter, data and options that the checkpoint was made with",
        details: { differences },
      },
    );
  }
  await fill(keyed(parameters), tensors);
  return state.progress;
}

/** Differences that are printed; all of them are in the error's details. */
const MAX_DIFFERENCES = 20;

/**
 * Reads from a checkpoint what a model is to be used with: the trained parameters' averages, if there are any, else
 * themselves.
 *
 * @throws PeftError as `readTrainingCheckpoint`
 */
export async function readTrainedParameters(folder: string, parameters: ReadonlyMap<string, Parameter>): Promise<void> {
  const tensors = await whole(folder, readSafetensors(join(folder, TENSORS_FILE)));
  const prefix = [...tensors.keys()].some((key) => key.startsWith("average.")) ? "average" : "parameter";
  const wanted = under(prefix, parameters);
  const differences = wanted.flatMap(([key, parameter]) => difference(key, tensors.get(key), parameter));
  if (differences.length > 0) {
    throw new PeftError("CHECKPOINT_MISMATCH", `the checkpoint is of another model: ${differences[0]}`, {
      place: folder,
      details: { differences },
    });
  }
  await fill(wanted, tensors);
}

/**
 * The folder of the checkpoint that a path means: itself, or the last one of the run in it.
 *
 * @throws PeftError FILE_MISSING
 */
export async function findTrainingCheckpoint(path: string): Promise<string> {
  const last = join(path, LAST);
  // The previous one is there if the process ended between two renames.
  for (const folder of [path, last, previousOf(path), previousOf(last)]) {
    if (await isThere(join(folder, STATE_FILE))) return folder;
  }
  throw new PeftError("FILE_MISSING", `there is no ${STATE_FILE} and no ${LAST} folder with one`, {
    place: path,
    hint: "name a run's output folder, or one of the checkpoints in it",
  });
}

/** Names of the checkpoints in a run's output folder. */
export const LAST = "checkpoint-last";
export const BEST = "checkpoint-best";

function keyed({ parameters, averages, optimizer, method }: CheckpointParameters): [string, Parameter][] {
  return [
    ...under("parameter", parameters),
    ...under("average", averages),
    ...under("optimizer", optimizer),
    ...under("method", method),
  ];
}

function under(prefix: string, map: ReadonlyMap<string, Parameter>): [key: string, parameter: Parameter][] {
  return [...map].map(([name, parameter]) => [`${prefix}.${name}`, parameter]);
}

async function readState(folder: string): Promise<CheckpointState> {
  const path = join(folder, STATE_FILE);
  const parsed = v.safeParse(checkpointState, await whole(folder, readJson(path)));
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw new PeftError("CHECKPOINT_INVALID", `${v.getDotPath(issue) ?? "the file"}: ${issue.message}`, {
    place: path,
    hint: "resume from another checkpoint",
  });
}

/** Damage in a checkpoint's file, as an error about the checkpoint. */
async function whole<T>(folder: string, reading: Promise<T>): Promise<T> {
  return reading.catch((cause: unknown) => {
    const damaged = cause instanceof PeftError && ["SAFETENSORS_INVALID", "JSON_INVALID"].includes(cause.code);
    if (!damaged) throw cause;
    throw new PeftError("CHECKPOINT_INVALID", `the checkpoint is damaged: ${cause.message}`, {
      place: folder,
      hint: "resume from another checkpoint",
      cause,
    });
  });
}

function optionDifferences(found: Agreement, expected: Agreement): string[] {
  return Object.entries(expected)
    .filter(([name, value]) => found[name as keyof Agreement] !== value)
    .map(([name, value]) => `${name}: ${found[name as keyof Agreement]} in the checkpoint, ${value} here`);
}

function tensorDifferences(tensors: ReadonlyMap<string, HostTensor>, parameters: CheckpointParameters): string[] {
  const expected = new Map(keyed(parameters));
  const unexpected = [...tensors.keys()].filter((key) => !expected.has(key)).map((key) => `${key}: not here`);
  return [...[...expected].flatMap(([key, parameter]) => difference(key, tensors.get(key), parameter)), ...unexpected];
}

function difference(key: string, tensor: HostTensor | undefined, { shape, dtype }: Parameter): string[] {
  if (!tensor) return [`${key}: not in the checkpoint`];
  const [found, wanted] = [`${tensor.dtype}[${tensor.shape}]`, `${dtype}[${shape}]`];
  return found === wanted ? [] : [`${key}: ${found} in the checkpoint, ${wanted} here`];
}

async function fill(
  parameters: readonly [key: string, parameter: Parameter][],
  tensors: ReadonlyMap<string, HostTensor>,
): Promise<void> {
  for (const [key, parameter] of parameters) {
    parameter.adopt(tensors.get(key)!.data as Float32Array | Int32Array | Uint8Array);
  }
}
