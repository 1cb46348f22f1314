// Training.

export type { WeightedBatch } from "./accumulation.js";
export { type ArrayBatchesOptions, arrayBatches } from "./batches.js";
export type { EarlyStopping, Mode } from "./best.js";
export type { TrainingCallback } from "./callbacks.js";
export { type EmaOptions, emaDecay } from "./ema.js";
export { estimateMemory, type MemoryEstimate } from "./estimateMemory.js";
export { type EvaluateOptions, evaluate, type Metrics } from "./evaluate.js";
export type { Best, StepEvent, TrainingEvent } from "./events.js";
export { binaryF1, type Metric, macroF1, matthews, pearson, rocAuc, topKAccuracy } from "./metrics.js";
export type { TrainableModel } from "./model.js";
export * from "./optimizers/index.js";
export { noDecay, noDecayNorms, type ParameterGroup } from "./parameterGroups.js";
export { type LoggedEvent, MAX_LOG_LINE, type RunHistory, readRunLog } from "./readRunLog.js";
export {
  constantSchedule,
  cosineSchedule,
  cosineWithRestartsSchedule,
  inverseSqrtSchedule,
  linearSchedule,
  type PolynomialOptions,
  polynomialSchedule,
  type Schedule,
  type ScheduleOptions,
} from "./schedules.js";
export { tensorBoard } from "./tensorBoard.js";
export { type RunOptions, Trainer } from "./trainer.js";
export type { TrainerOptions } from "./trainerOptions.js";
export {
  type StepResult,
  type StepSettings,
  type TrainingStep,
  type TrainingStepOptions,
  trainingStep,
} from "./trainingStep.js";
