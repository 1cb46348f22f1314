// What a trainer is told, checked before anything starts.

import type { BatchSource } from "../data/index.js";
import { PeftError } from "../errors.js";
import { adamW, type Optimizer } from "./optimizers/index.js";
import type { ParameterGroup } from "./parameterGroups.js";
import { constantSchedule, cosineSchedule, linearSchedule, type Schedule } from "./schedules.js";

export interface TrainerOptions {
  readonly train: BatchSource;
  /** What the best checkpoint is chosen on. @defaultValue no evaluation */
  readonly validation?: BatchSource;
  /** How long to train: either epochs or `steps`. */
  readonly epochs?: number;
  readonly steps?: number;
  readonly learningRate: number;
  /** @defaultValue `adamW()` */
  readonly optimizer?: Optimizer;
  /** @defaultValue 0 */
  readonly weightDecay?: number;
  /** Parameters with another learning rate or weight decay; the first group that fits counts. @defaultValue none */
  readonly groups?: readonly ParameterGroup[];
  /** @defaultValue "constant" */
  readonly schedule?: "constant" | "linear" | "cosine" | Schedule;
  /** Steps (or epochs) of the warm-up of a schedule given by name. @defaultValue 0 */
  readonly warmup?: number;
  /** Whether schedule and warm-up count steps or epochs. @defaultValue "step" */
  readonly scheduleBy?: "step" | "epoch";
  /** The largest global norm of the gradients. @defaultValue no clipping */
  readonly clipNorm?: number;
  /** Less memory for more time, the same bits: see `TrainingStepOptions`. @defaultValue false */
  readonly gradientCheckpointing?: boolean;
  /** Decides the random numbers of every step. @defaultValue 0 */
  readonly seed?: number;
  /** Gets checkpoints and `log.jsonl`. @defaultValue nothing is written */
  readonly outputDir?: string;
  /** A run's output folder, or a checkpoint in it, to go on from. */
  readonly resume?: string;
  /** After each epoch, or after so many steps; after the last step in any case. @defaultValue "epoch" */
  readonly evaluateEvery?: "epoch" | number;
  /** The metric that decides which evaluation is the best. @defaultValue "accuracy" where there is one, else "loss" */
  readonly bestMetric?: "accuracy" | "loss";
  /** Whether the model ends with the best evaluation's parameters instead of the last. @defaultValue false */
  readonly loadBest?: boolean;
  /** A step event after so many steps, and after the last. @defaultValue 1 */
  readonly logEvery?: number;
}

/** Options with their defaults. */
export interface Settings extends Omit<TrainerOptions, "schedule" | "warmup" | "epochs" | "steps"> {
  readonly optimizer: Optimizer;
  readonly seed: number;
  readonly totalSteps: number;
  readonly batchesPerEpoch: number;
  readonly evaluateEvery: "epoch" | number;
  readonly logEvery: number;
  /** The learning rate of a step. */
  learningRateAt(step: number, epoch: number): number;
}

const SCHEDULES = { constant: constantSchedule, linear: linearSchedule, cosine: cosineSchedule };

/** @throws PeftError ARGUMENT_INVALID for a number out of its range and for options that exclude each other; DATA_EMPTY */
export function settingsOf(options: TrainerOptions): Settings {
  const { train, epochs, steps, learningRate, schedule = "constant", warmup = 0, scheduleBy = "step" } = options;
  const { evaluateEvery = "epoch", logEvery = 1, seed = 0 } = options;
  if ((epochs === undefined) === (steps === undefined)) throw invalid("give either epochs or steps");
  checkWhole("epochs", epochs);
  checkWhole("steps", steps);
  checkWhole("logEvery", logEvery);
  if (evaluateEvery !== "epoch") checkWhole("evaluateEvery", evaluateEvery);
  // A float32 that overflows is infinite.
  check("learningRate", learningRate, Number.isFinite(Math.fround(learningRate)) && learningRate >= 0);
  check(
    "weightDecay",
    options.weightDecay,
    Number.isFinite(options.weightDecay ?? 0) && (options.weightDecay ?? 0) >= 0,
  );
  check("clipNorm", options.clipNorm, Number.isFinite(options.clipNorm ?? 1) && (options.clipNorm ?? 1) > 0);
  check("seed", seed, Number.isSafeInteger(seed));
  if (typeof schedule === "function" && warmup > 0) throw invalid("a warm-up is for a schedule given by name");
  if (options.loadBest && !options.validation) throw invalid("loadBest wants a validation set");
  const { batchesPerEpoch } = train;
  if (!(batchesPerEpoch >= 1)) throw new PeftError("DATA_EMPTY", "the training set has no batches");

  const totalSteps = steps ?? epochs! * batchesPerEpoch;
  const totalEpochs = Math.ceil(totalSteps / batchesPerEpoch);
  const factor = typeof schedule === "function" ? schedule : SCHEDULES[schedule]({ warmup });
  return {
    ...options,
    optimizer: options.optimizer ?? adamW(),
    seed,
    totalSteps,
    batchesPerEpoch,
    evaluateEvery,
    logEvery,
    learningRateAt: (step, epoch) =>
      learningRate * (scheduleBy === "step" ? factor(step, totalSteps) : factor(epoch, totalEpochs)),
  };
}

function checkWhole(name: string, value: number | undefined): void {
  check(name, value, value === undefined || (Number.isSafeInteger(value) && value >= 1));
}

function check(name: string, value: number | undefined, ok: boolean): void {
  if (!ok) throw invalid(`${name} cannot be ${value}`);
}

function invalid(message: string): PeftError {
  return new PeftError("ARGUMENT_INVALID", message, { place: "Trainer" });
}
