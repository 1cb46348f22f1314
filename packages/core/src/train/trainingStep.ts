// One training step as one compiled function: loss, gradients, clipping, and the optimizer's update. A step over several
// batches is accumulation.ts.

import * as tf from "@tensorflow/tfjs";
import { compileByName } from "../engine/compileByName.js";
import type { Explanation, Parameter, Spec } from "../engine/index.js";
import type { HostArray } from "../hostArray.js";
import { select } from "../ops/index.js";
import { Accumulation, type WeightedBatch } from "./accumulation.js";
import { exchange } from "./ema.js";
import type { TrainableModel } from "./model.js";
import { type BatchTensors, gradientsOf, methodCounts } from "./stepGradients.js";
import {
  floatArray,
  optimizerName,
  planOf,
  type StepPlan,
  type StepSettings,
  scalarsOf,
  stillScalars,
  type TrainingStepOptions,
} from "./stepPlan.js";
import { update } from "./stepUpdate.js";

export type { StepSettings, TrainingStepOptions } from "./stepPlan.js";

export interface StepResult {
  readonly loss: number;
  /** The global norm of the gradients, before clipping. */
  readonly norm: number;
  /** Whether loss, norm and learning rate were finite. If not, nothing was updated. */
  readonly finite: boolean;
}

export interface TrainingStep {
  /** What is trained. */
  readonly parameters: ReadonlyMap<string, Parameter>;
  /** The optimizers' names, joined. */
  readonly optimizer: string;
  /** The optimizer's state by name, such as `exp_avg.classifier.weight`. */
  readonly state: ReadonlyMap<string, Parameter>;
  /** The parameters' moving averages by the parameters' names, if they are kept. */
  readonly averages: ReadonlyMap<string, Parameter>;
  /** One step over a batch: inputs and targets by name. @throws PeftError DATA_INVALID for what the model cannot look up */
  run(inputs: Readonly<Record<string, HostArray>>, settings: StepSettings): Promise<StepResult>;
  /**
   * One step over `count` batches, which are asked for one after another: equal to the step over all of them at once, with
   * each loss weighted as the batch says. One clip, one update, one count of the step.
   *
   * @throws PeftError ARGUMENT_INVALID for a weight that is not above 0; as `run`
   */
  runOver(
    batches: AsyncIterable<WeightedBatch> | Iterable<WeightedBatch>,
    count: number,
    settings: StepSettings,
  ): Promise<StepResult>;
  /** The step's graph over a batch of these shapes; nothing is run. `estimateMemory` says what it will take. */
  explain(batch: Readonly<Record<string, Spec>>): Explanation;
  /** The same with the times of one run, which updates nothing. */
  profile(inputs: Readonly<Record<string, HostArray>>): Promise<Explanation>;
  /** Exchanges the parameters' numbers and their averages. */
  exchange(): Promise<void>;
  /** Frees the optimizer's state and the averages. */
  dispose(): void;
}

/**
 * Makes a model's training step. It is traced once for each signature of the batch.
 *
 * @throws PeftError ARGUMENT_INVALID if the model trains nothing, or something that is not float32
 */
export function trainingStep(model: TrainableModel, options: TrainingStepOptions): TrainingStep {
  const plan = planOf(model, options);
  const { trained } = plan;
  const stepOver = compileByName((batch, given) => step(model, options, plan, batch, given!));
  const averaged = trained.flatMap(({ name, parameter, average }) => (average ? [{ name, parameter, average }] : []));
  const swap = exchange(averaged);
  let accumulation: Accumulation | undefined;
  return {
    parameters: new Map(trained.map(({ name, parameter }) => [name, parameter])),
    optimizer: optimizerName(plan),
    state: new Map(trained.flatMap(({ state }) => state.map((slot) => [slot.name, slot] as const))),
    averages: new Map(averaged.map(({ name, average }) => [name, average])),
    async run(inputs, settings) {
      model.checkInputs?.(inputs);
      const { seed, step } = settings;
      const names = Object.keys(inputs).sort();
      const scalars = floatArray(scalarsOf(plan, options, settings));
      return resultOf(await stepOver(names).at({ seed, step })(...names.map((name) => inputs[name]!), scalars));
    },
    async runOver(batches, count, settings) {
      accumulation ??= new Accumulation(model, options, plan);
      return resultOf(await accumulation.run(batches, count, settings));
    },
    explain(batch) {
      const names = Object.keys(batch).sort();
      const { shape, dtype } = floatArray(stillScalars(plan, options));
      return stepOver(names).explain(...names.map((name) => batch[name]!), { shape, dtype });
    },
    profile(inputs) {
      const names = Object.keys(inputs).sort();
      const scalars = floatArray(stillScalars(plan, options));
      return stepOver(names).profile(...names.map((name) => inputs[name]!), scalars);
    },
    exchange: () => (averaged.length > 0 ? swap() : Promise.resolve()),
    dispose() {
      accumulation?.dispose();
      for (const { state, average } of trained) for (const slot of [...state, average]) slot?.dispose();
    },
  };
}

/** The pure function. Returns [loss, norm, 1 if finite else 0]. @param given the step's scalars */
function step(
  model: TrainableModel,
  options: TrainingStepOptions,
  plan: StepPlan,
  batch: BatchTensors,
  given: tf.Tensor,
): tf.Tensor {
  const counts = methodCounts(model);
  // Cloned: run op by op, an assignment by the method frees the old numbers.
  const before = counts.map((parameter) => tf.clone(parameter.value()));
  const { result, finite } = update(model, options, plan, gradientsOf(model, plan, batch, options), given);
  // A step that comes to nothing does so for what the method counted in it, too.
  for (const [i, parameter] of counts.entries()) {
    parameter.assign(select(finite, parameter.value(), before[i]!));
  }
  return result;
}

async function resultOf(result: tf.Tensor): Promise<StepResult> {
  const [loss, norm, finite] = await result.data<"float32">();
  result.dispose();
  return { loss: loss!, norm: norm!, finite: finite === 1 };
}
