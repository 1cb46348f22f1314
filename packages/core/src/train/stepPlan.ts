// What a training step works on: the trained parameters with their state, the distinct settings among their groups, and
// the numbers that the host computes for each step.

import type * as tf from "@tensorflow/tfjs";
import { Parameter } from "../engine/index.js";
import { PeftError } from "../errors.js";
import type { HostArray } from "../hostArray.js";
import { type EmaOptions, emaDecay } from "./ema.js";
import type { TrainableModel } from "./model.js";
import type { Optimizer } from "./optimizers/index.js";
import { type GroupSettings, groupOf, type ParameterGroup } from "./parameterGroups.js";

export interface StepSettings {
  readonly learningRate: number;
  readonly seed: number;
  /** Steps done before this one. Decides the random numbers and the bias corrections. */
  readonly step: number;
}

export interface TrainingStepOptions {
  readonly optimizer: Optimizer;
  /** @defaultValue 0 */
  readonly weightDecay?: number;
  /** Parameters with settings of their own; the first group that fits counts. @defaultValue none */
  readonly groups?: readonly ParameterGroup[];
  /** The largest global norm of the gradients; larger ones are scaled down to it. @defaultValue no clipping */
  readonly clipNorm?: number;
  /** The largest absolute value of a gradient's entry; larger ones are cut off. @defaultValue no clipping */
  readonly clipValue?: number;
  /** Keeps a moving average of the parameters. @defaultValue none is kept */
  readonly ema?: EmaOptions;
  /**
   * Keeps only what leaves each of the model's blocks for the backward pass, and computes the rest again: less memory for
   * more time, the same bits. Run op by op it saves nothing. @defaultValue false
   */
  readonly gradientCheckpointing?: boolean;
}

/** A trained parameter, its optimizer state, its average if one is kept, and the place of its group's coefficients. */
export interface Trained {
  readonly name: string;
  readonly parameter: Parameter;
  readonly state: readonly Parameter[];
  readonly average?: Parameter;
  readonly group: number;
}

export interface StepPlan {
  readonly trained: readonly Trained[];
  readonly groups: readonly GroupSettings[];
}

/**
 * @throws PeftError ARGUMENT_INVALID if the model trains nothing, or something that is not float32, or needs another kind of
 *   optimizer
 */
export function planOf(model: TrainableModel, options: TrainingStepOptions): StepPlan {
  const { groups: given = [], weightDecay = 0, optimizer } = options;
  const parameters = model.trainableParameters();
  if (parameters.size === 0) {
    throw new PeftError("ARGUMENT_INVALID", "the model has no trainable parameters", {
      hint: "attach an adapter, or make the model's own parameters trainable",
    });
  }
  const groups: GroupSettings[] = [];
  const trained = [...parameters].map(([name, parameter]): Trained => {
    if (parameter.dtype !== "float32") {
      throw new PeftError("ARGUMENT_INVALID", `a parameter of type ${parameter.dtype} cannot be trained`, {
        place: name,
      });
    }
    const settings = groupOf(name, given, { weightDecay, optimizer });
    let group = groups.findIndex((known) => sameSettings(known, settings));
    if (group < 0) group = groups.push(settings) - 1;
    const state = Object.entries(settings.optimizer.state(parameter.shape)).map(([slot, shape]) =>
      Parameter.zeros(shape, { name: `${slot}.${name}` }),
    );
    // Zeros will do: the first decay is 0.
    const average = options.ema && Parameter.zeros(parameter.shape, { name });
    return { name, parameter, state, average, group };
  });
  return { trained, groups };
}

function sameSettings(a: GroupSettings, b: GroupSettings): boolean {
  return a.lrScale === b.lrScale && a.weightDecay === b.weightDecay && a.optimizer === b.optimizer;
}

/** The name that a checkpoint knows the optimizers by. */
export function optimizerName({ groups }: StepPlan): string {
  return [...new Set(groups.map(({ optimizer }) => optimizer.name))].sort().join("+");
}

/** A step's numbers: the coefficients of every group, one group after the other, then 1 - the average's decay. */
export function scalarsOf(
  { groups }: StepPlan,
  { ema }: TrainingStepOptions,
  { learningRate, step }: Omit<StepSettings, "seed">,
): number[] {
  const updates = step + 1;
  const coefficients = groups.flatMap(({ lrScale, weightDecay, optimizer }) => {
    const values = optimizer.coefficients({ learningRate: learningRate * lrScale, weightDecay, updates });
    return namesOf(optimizer).map((name) => values[name]!);
  });
  return ema ? [...coefficients, 1 - emaDecay(ema, updates)] : coefficients;
}

/** `scalarsOf` for a step that changes nothing. */
export function stillScalars({ groups }: StepPlan, { ema }: TrainingStepOptions): number[] {
  const still = groups.flatMap(({ optimizer }) => namesOf(optimizer).map((name) => optimizer.still[name]!));
  return ema ? [...still, 0] : still;
}

/** The scalars by group and name again. */
export function coefficientsOf({ groups }: StepPlan, scalars: readonly tf.Tensor[]): Record<string, tf.Tensor>[] {
  let next = 0;
  return groups.map(({ optimizer }) => Object.fromEntries(namesOf(optimizer).map((name) => [name, scalars[next++]!])));
}

export function floatArray(values: readonly number[]): HostArray {
  return { data: Float32Array.from(values), shape: [values.length], dtype: "float32" };
}

function namesOf(optimizer: Optimizer): string[] {
  return Object.keys(optimizer.still);
}
