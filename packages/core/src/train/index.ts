// Training.

export { type ArrayBatchesOptions, arrayBatches } from "./batches.js";
export { estimateMemory, type MemoryEstimate } from "./estimateMemory.js";
export { type EvaluateOptions, evaluate, type Metrics } from "./evaluate.js";
export type { Best, StepEvent, TrainingEvent } from "./events.js";
export type { TrainableModel } from "./model.js";
export * from "./optimizers/index.js";
export { noDecay, type ParameterGroup } from "./parameterGroups.js";
export {
  constantSchedule,
  cosineSchedule,
  linearSchedule,
  type Schedule,
  type ScheduleOptions,
} from "./schedules.js";
export { type RunOptions, Trainer } from "./trainer.js";
export type { TrainerOptions } from "./trainerOptions.js";
export {
  type StepResult,
  type StepSettings,
  type TrainingStep,
  type TrainingStepOptions,
  trainingStep,
} from "./trainingStep.js";
