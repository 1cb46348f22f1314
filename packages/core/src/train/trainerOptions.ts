// What a trainer is told, checked before anything starts.

import type { Batch, BatchSource } from "../data/index.js";
import { PeftError } from "../errors.js";
import type { EarlyStopping, Mode } from "./best.js";
import type { TrainingCallback } from "./callbacks.js";
import { checkEma, type EmaOptions } from "./ema.js";
import type { Metric } from "./metrics.js";
import { adamW, type Optimizer } from "./optimizers/index.js";
import type { ParameterGroup } from "./parameterGroups.js";
import {
  constantSchedule,
  cosineSchedule,
  inverseSqrtSchedule,
  linearSchedule,
  polynomialSchedule,
  type Schedule,
  type ScheduleOptions,
} from "./schedules.js";

type ScheduleName = "constant" | "linear" | "cosine" | "polynomial" | "inverseSqrt";

const SCHEDULES: Record<ScheduleName, (options: ScheduleOptions) => Schedule> = {
  constant: constantSchedule,
  linear: linearSchedule,
  cosine: cosineSchedule,
  polynomial: polynomialSchedule,
  inverseSqrt: inverseSqrtSchedule,
};

export interface TrainerOptions {
  readonly train: BatchSource;
  /** A validation set, known as "validation", or several by their names. @defaultValue no evaluation */
  readonly validation?: BatchSource | Readonly<Record<string, BatchSource>>;
  /** How long to train: either epochs or `steps`. */
  readonly epochs?: number;
  readonly steps?: number;
  /**
   * Batches a step: their gradients are averaged, weighted by `batchWeight`, before the one clip and the one update. The
   * last step of an epoch takes what is left. @defaultValue 1
   */
  readonly accumulate?: number;
  /**
   * What a batch's loss is the mean of, by which it counts in a step over several and in an evaluation: its number of
   * examples; for a mean over tokens let it be the number of target tokens. @defaultValue the batch's `size`
   */
  readonly batchWeight?: (batch: Batch) => number;
  readonly learningRate: number;
  /** @defaultValue `adamW()` */
  readonly optimizer?: Optimizer;
  /** @defaultValue 0 */
  readonly weightDecay?: number;
  /** Parameters with another learning rate, weight decay or optimizer; the first group that fits counts. @defaultValue none */
  readonly groups?: readonly ParameterGroup[];
  /** @defaultValue "constant" */
  readonly schedule?: ScheduleName | Schedule;
  /** Steps (or epochs) of the warm-up of a schedule given by name. @defaultValue 0 */
  readonly warmup?: number;
  /** The warm-up as a share of the run, rounded up, instead of `warmup`. */
  readonly warmupRatio?: number;
  /** Whether schedule and warm-up count steps or epochs. @defaultValue "step" */
  readonly scheduleBy?: "step" | "epoch";
  /** The largest global norm of the gradients. @defaultValue no clipping */
  readonly clipNorm?: number;
  /** Less memory for more time, the same bits: see `TrainingStepOptions`. @defaultValue false */
  readonly gradientCheckpointing?: boolean;
  /** The largest absolute value of a gradient's entry, instead of `clipNorm`. @defaultValue no clipping */
  readonly clipValue?: number;
  /**
   * Keeps a moving average of the trained parameters: evaluations are of it, and the model ends with it. @defaultValue none
   */
  readonly ema?: EmaOptions;
  /** Decides the random numbers of every step. @defaultValue 0 */
  readonly seed?: number;
  /** Gets checkpoints and `log.jsonl`. One run at a time may use it. @defaultValue nothing is written */
  readonly outputDir?: string;
  /**
   * A run's output folder, or a checkpoint in it, to go on from; `true` for `outputDir` itself if there is a checkpoint in
   * it. @defaultValue a new run
   */
  readonly resume?: string | true;
  /** Also writes a checkpoint after so many steps. @defaultValue after each epoch, and after each evaluation by steps */
  readonly saveEvery?: number;
  /** Checkpoints that are kept beside the best: the last, and the ones before it as `checkpoint-<step>`. @defaultValue 1 */
  readonly keep?: number;
  /** After each epoch, or after so many steps; after the last step in any case. @defaultValue "epoch" */
  readonly evaluateEvery?: "epoch" | number;
  /** Beside the loss, and the accuracy of a classification. @defaultValue none */
  readonly metrics?: readonly Metric[];
  /**
   * The metric that decides which evaluation is the best: a name, of the first validation set, or "set/name".
   * @defaultValue "accuracy" where there is one, else "loss"
   */
  readonly bestMetric?: string;
  /** @defaultValue "min" for names that end in "loss", else "max" */
  readonly bestMode?: Mode;
  /** Whether the model ends with the best evaluation's parameters instead of the last. @defaultValue false */
  readonly loadBest?: boolean;
  /** Ends the run when evaluations have stopped getting better. @defaultValue it does not end early */
  readonly earlyStopping?: EarlyStopping;
  /** Told every event before the run's consumer is, such as `tensorBoard(folder)`. @defaultValue none */
  readonly callbacks?: readonly TrainingCallback[];
  /** A step event after so many steps, and after the last. @defaultValue 1 */
  readonly logEvery?: number;
}

/** Options with their defaults. */
export interface Settings
  extends Omit<TrainerOptions, "schedule" | "warmup" | "warmupRatio" | "epochs" | "steps" | "validation"> {
  /** By name; empty where nothing is evaluated. */
  readonly validation: ReadonlyMap<string, BatchSource>;
  readonly optimizer: Optimizer;
  readonly seed: number;
  readonly accumulate: number;
  readonly batchWeight: (batch: Batch) => number;
  readonly keep: number;
  readonly totalSteps: number;
  readonly batchesPerEpoch: number;
  readonly evaluateEvery: "epoch" | number;
  readonly logEvery: number;
  /** The learning rate of a step. */
  learningRateAt(step: number, epoch: number): number;
}

/** @throws PeftError ARGUMENT_INVALID for a number out of its range and for options that exclude each other; DATA_EMPTY */
export function settingsOf(options: TrainerOptions): Settings {
  const { train, epochs, steps, learningRate, accumulate = 1 } = options;
  checkNumbers(options);
  checkTogether(options);
  const { batchesPerEpoch } = train;
  if (!(batchesPerEpoch >= 1)) throw new PeftError("DATA_EMPTY", "the training set has no batches");

  const stepsPerEpoch = Math.ceil(batchesPerEpoch / accumulate);
  const totalSteps = steps ?? epochs! * stepsPerEpoch;
  const bySteps = (options.scheduleBy ?? "step") === "step";
  const total = bySteps ? totalSteps : Math.ceil(totalSteps / stepsPerEpoch);
  const factor = scheduleOf(options, total);
  return {
    ...options,
    validation: setsOf(options.validation),
    optimizer: options.optimizer ?? adamW(),
    seed: options.seed ?? 0,
    accumulate,
    batchWeight: options.batchWeight ?? (({ size }) => size),
    keep: options.keep ?? 1,
    totalSteps,
    batchesPerEpoch,
    evaluateEvery: options.evaluateEvery ?? "epoch",
    logEvery: options.logEvery ?? 1,
    learningRateAt: (step, epoch) => learningRate * factor(bySteps ? step : epoch, total),
  };
}

function scheduleOf({ schedule = "constant", warmup, warmupRatio }: TrainerOptions, total: number): Schedule {
  if (typeof schedule === "function") return schedule;
  return SCHEDULES[schedule]({ warmup: warmup ?? Math.ceil((warmupRatio ?? 0) * total) });
}

function setsOf(validation: TrainerOptions["validation"]): ReadonlyMap<string, BatchSource> {
  if (!validation) return new Map();
  if (isSource(validation)) return new Map([["validation", validation]]);
  return new Map(Object.entries(validation));
}

function isSource(validation: BatchSource | Readonly<Record<string, BatchSource>>): validation is BatchSource {
  return typeof validation.batches === "function";
}

function checkNumbers(options: TrainerOptions): void {
  const whole = ["epochs", "steps", "accumulate", "saveEvery", "keep", "logEvery"] as const;
  for (const name of whole) checkWhole(name, options[name]);
  const { evaluateEvery = "epoch", learningRate, weightDecay = 0, clipNorm = 1, clipValue = 1, seed = 0 } = options;
  const { warmup = 0, warmupRatio = 0, earlyStopping } = options;
  if (evaluateEvery !== "epoch") checkWhole("evaluateEvery", evaluateEvery);
  // A float32 that overflows is infinite.
  check("learningRate", learningRate, Number.isFinite(Math.fround(learningRate)) && learningRate >= 0);
  check("weightDecay", weightDecay, Number.isFinite(weightDecay) && weightDecay >= 0);
  check("clipNorm", clipNorm, Number.isFinite(clipNorm) && clipNorm > 0);
  check("clipValue", clipValue, Number.isFinite(clipValue) && clipValue > 0);
  check("seed", seed, Number.isSafeInteger(seed));
  check("warmup", warmup, warmup >= 0);
  check("warmupRatio", warmupRatio, warmupRatio >= 0 && warmupRatio <= 1);
  if (options.ema) checkEma(options.ema);
  if (!earlyStopping) return;
  checkWhole("patience", earlyStopping.patience);
  check("minDelta", earlyStopping.minDelta, (earlyStopping.minDelta ?? 0) >= 0);
}

function checkTogether(options: TrainerOptions): void {
  const { epochs, steps, schedule, warmup, warmupRatio, metrics = [] } = options;
  if ((epochs === undefined) === (steps === undefined)) throw invalid("give either epochs or steps");
  if (warmup !== undefined && warmupRatio !== undefined) throw invalid("give either warmup or warmupRatio");
  if (typeof schedule === "function" && (warmup || warmupRatio)) {
    throw invalid("a warm-up is for a schedule given by name");
  }
  if (options.clipNorm !== undefined && options.clipValue !== undefined) {
    throw invalid("give either clipNorm or clipValue");
  }
  if (options.resume === true && options.outputDir === undefined) throw invalid("resume: true wants an outputDir");
  const names = [...setsOf(options.validation).keys()];
  for (const needs of ["loadBest", "earlyStopping"] as const) {
    if (options[needs] && names.length === 0) throw invalid(`${needs} wants a validation set`);
  }
  const bad = names.find((name) => name === "" || name === "train" || name.includes("/"));
  if (bad !== undefined) throw invalid(`a validation set cannot be named "${bad}"`);
  const taken = new Set(["loss", "accuracy", "examples"]);
  for (const { name } of metrics) {
    if (taken.has(name)) throw invalid(`two metrics are named "${name}"`);
    taken.add(name);
  }
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
