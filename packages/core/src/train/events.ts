// What a run tells while it goes: one discriminated union, which is also what a line of the log holds.

import type { Metrics } from "./evaluate.js";

/** The best evaluation so far. */
export interface Best {
  /** A metric of the first validation set, or "set/metric". */
  readonly metric: string;
  readonly value: number;
  readonly step: number;
}

export type TrainingEvent =
  /** The run begins or goes on: steps done before it, and steps of the whole run. */
  | { readonly type: "start"; readonly step: number; readonly epoch: number; readonly totalSteps: number }
  | StepEvent
  | {
      readonly type: "evaluation";
      /** "validation", or the name of the validation set. */
      readonly split: string;
      readonly step: number;
      readonly epoch: number;
      readonly metrics: Metrics;
      /** Whether it is the best so far; of several sets, the one that is chosen by says so. */
      readonly best: boolean;
    }
  /** A checkpoint is in its place. */
  | { readonly type: "checkpoint"; readonly step: number; readonly path: string; readonly best: boolean }
  /** An epoch, counted from 0, is over. */
  | { readonly type: "epoch"; readonly step: number; readonly epoch: number }
  | {
      readonly type: "done";
      readonly step: number;
      readonly epoch: number;
      readonly best?: Best;
      /** Whether the run ended early because no evaluation had been better for long enough. */
      readonly stoppedEarly: boolean;
    };

export interface StepEvent {
  readonly type: "step";
  /** Steps done, this one included. */
  readonly step: number;
  readonly totalSteps: number;
  /** Counted from 0. */
  readonly epoch: number;
  /** Of this step's batch or batches. */
  readonly loss: number;
  /** The global norm of the gradients, before clipping. */
  readonly norm: number;
  /** Of this step, before the groups' factors. */
  readonly learningRate: number;
  /** Over the last steps, without evaluations and checkpoints. */
  readonly stepsPerSecond: number;
  /** Until the last step, at this rate. */
  readonly secondsLeft: number;
}
