// One training step as one compiled function: loss, gradients, clipping by the global norm, and the optimizer's update.
// Where the loss or the norm is not finite the update comes to nothing, bit for bit (optimizers/optimizer.ts says how).

import * as tf from "@tensorflow/tfjs";
import {
  type CompiledFunction,
  compile,
  type Explanation,
  gradients,
  inCheckpointing,
  inTraining,
  Parameter,
  type Spec,
} from "../engine/index.js";
import { PeftError } from "../errors.js";
import type { HostArray } from "../hostArray.js";
import { select } from "../ops/index.js";
import type { TrainableModel } from "./model.js";
import type { Optimizer, Updated } from "./optimizers/index.js";
import { type GroupSettings, groupOf, type ParameterGroup } from "./parameterGroups.js";

/** Added to the norm by torch.nn.utils.clip_grad_norm_. */
const CLIP_EPS = 1e-6;

export interface TrainingStepOptions {
  readonly optimizer: Optimizer;
  /** @defaultValue 0 */
  readonly weightDecay?: number;
  /** @defaultValue none */
  readonly groups?: readonly ParameterGroup[];
  /** The largest global norm of the gradients; larger ones are scaled down to it. @defaultValue no clipping */
  readonly clipNorm?: number;
  /**
   * Keeps only what leaves each of the model's blocks for the backward pass, and computes the rest again: less memory for
   * more time, the same bits. Run op by op it saves nothing. @defaultValue false
   */
  readonly gradientCheckpointing?: boolean;
}

export interface StepSettings {
  readonly learningRate: number;
  readonly seed: number;
  /** Steps done before this one. Decides the random numbers and the bias corrections. */
  readonly step: number;
}

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
  /** The optimizer's state by name, such as `exp_avg.classifier.weight`. */
  readonly state: ReadonlyMap<string, Parameter>;
  /** One step over a batch: inputs and targets by name. */
  run(inputs: Readonly<Record<string, HostArray>>, settings: StepSettings): Promise<StepResult>;
  /** The step's graph over a batch of these shapes; nothing is run. `estimateMemory` says what it will take. */
  explain(batch: Readonly<Record<string, Spec>>): Explanation;
  /** The same with the times of one run, which updates nothing. */
  profile(inputs: Readonly<Record<string, HostArray>>): Promise<Explanation>;
  /** Frees the optimizer's state. */
  dispose(): void;
}

/** A trained parameter, its optimizer state, and the place of its group's coefficients. */
interface Trained {
  readonly name: string;
  readonly parameter: Parameter;
  readonly state: readonly Parameter[];
  readonly group: number;
}

/**
 * Makes a model's training step. It is traced once for each signature of the batch.
 *
 * @throws PeftError ARGUMENT_INVALID if the model trains nothing, or something that is not float32
 */
export function trainingStep(model: TrainableModel, options: TrainingStepOptions): TrainingStep {
  const { optimizer } = options;
  const parameters = model.trainableParameters();
  if (parameters.size === 0) {
    throw new PeftError("ARGUMENT_INVALID", "the model has no trainable parameters", {
      hint: "attach an adapter, or make the model's own parameters trainable",
    });
  }
  const { trained, groups } = plan(parameters, options);
  const steps = new Map<string, CompiledFunction<tf.Tensor>>();
  const stepOver = (names: readonly string[]): CompiledFunction<tf.Tensor> => {
    const known = steps.get(names.join());
    if (known) return known;
    const made = compile((...tensors) => {
      const batch = Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));
      return step(model, options, trained, groups, batch, tensors[names.length]!);
    });
    steps.set(names.join(), made);
    return made;
  };
  return {
    parameters,
    state: new Map(trained.flatMap(({ state }) => state.map((slot) => [slot.name, slot] as const))),
    explain(batch) {
      const names = Object.keys(batch).sort();
      return stepOver(names).explain(...names.map((name) => batch[name]!), {
        shape: [groups.length * coefficientNames(optimizer).length],
        dtype: "float32",
      });
    },
    profile(inputs) {
      const names = Object.keys(inputs).sort();
      const still = groups.flatMap(() => coefficientNames(optimizer).map((name) => optimizer.still[name]!));
      const scalars: HostArray = { data: Float32Array.from(still), shape: [still.length], dtype: "float32" };
      return stepOver(names).profile(...names.map((name) => inputs[name]!), scalars);
    },
    async run(inputs, { learningRate, seed, step }) {
      const names = Object.keys(inputs).sort();
      const coefficients = Float32Array.from(
        groups.flatMap(({ lrScale, weightDecay }) => {
          const settings = { learningRate: learningRate * lrScale, weightDecay, updates: step + 1 };
          const values = optimizer.coefficients(settings);
          return coefficientNames(optimizer).map((name) => values[name]!);
        }),
      );
      const scalars: HostArray = { data: coefficients, shape: [coefficients.length], dtype: "float32" };
      const result = await stepOver(names).at({ seed, step })(...names.map((name) => inputs[name]!), scalars);
      const [loss, norm, finite] = await result.data<"float32">();
      result.dispose();
      return { loss: loss!, norm: norm!, finite: finite === 1 };
    },
    dispose() {
      for (const { state } of trained) for (const slot of state) slot.dispose();
    },
  };
}

/** The trained parameters with their state, and the distinct settings among their groups. */
function plan(
  parameters: ReadonlyMap<string, Parameter>,
  { optimizer, groups: given = [], weightDecay = 0 }: TrainingStepOptions,
): { trained: Trained[]; groups: GroupSettings[] } {
  const groups: GroupSettings[] = [];
  const trained = [...parameters].map(([name, parameter]) => {
    if (parameter.dtype !== "float32") {
      throw new PeftError("ARGUMENT_INVALID", `a parameter of type ${parameter.dtype} cannot be trained`, {
        place: name,
      });
    }
    const settings = groupOf(name, given, weightDecay);
    let group = groups.findIndex((g) => g.lrScale === settings.lrScale && g.weightDecay === settings.weightDecay);
    if (group < 0) group = groups.push(settings) - 1;
    const state = optimizer.state.map((slot) => Parameter.zeros(parameter.shape, { name: `${slot}.${name}` }));
    return { name, parameter, state, group };
  });
  return { trained, groups };
}

function coefficientNames(optimizer: Optimizer): string[] {
  return Object.keys(optimizer.still);
}

/**
 * The pure function. Returns [loss, norm, 1 if finite else 0].
 *
 * @param given the coefficients of every group, one group after the other, in the order of `coefficientNames`
 */
function step(
  model: TrainableModel,
  { optimizer, clipNorm, gradientCheckpointing = false }: TrainingStepOptions,
  trained: readonly Trained[],
  groups: readonly GroupSettings[],
  batch: Readonly<Record<string, tf.Tensor>>,
  given: tf.Tensor,
): tf.Tensor {
  // Cloned: run op by op, an assignment by the method frees the old numbers.
  const methodState = [...(model.hooks?.state?.values() ?? [])].filter(({ dtype }) => dtype !== "bool");
  const before = methodState.map((parameter) => tf.clone(parameter.value()));
  const parameters = trained.map(({ parameter }) => parameter);
  const differentiate = () => inTraining(() => gradients(() => lossOf(model, batch), parameters));
  const differentiated = gradientCheckpointing ? inCheckpointing(differentiate) : differentiate();
  const loss = tf.reshape(differentiated.loss, []);
  const scopes = trained.map(({ name, parameter }) => model.hooks?.updateScope?.(name, parameter));
  const scoped = differentiated.gradients.map((gradient, i) => {
    const mask = scopes[i]?.mask;
    return mask ? tf.mul(gradient, mask) : gradient;
  });
  // The last parameters' gradients come first: in this order the runtime computes each one where its operands are at hand.
  const squares = (gradient: tf.Tensor): tf.Tensor => tf.sum(tf.square(gradient));
  const [first, ...others] = scoped.toReversed();
  const norm = tf.sqrt(others.reduce((total, gradient) => tf.add(total, squares(gradient)), squares(first!)));

  // A number that is finite only if all are; the product is of the size of a step, which must be finite too.
  const reach = tf.mul(tf.add(norm, 1), tf.sum(tf.abs(given)));
  const finite = tf.isFinite(tf.add(reach, tf.mul(loss, 0)));
  // Every update depends on `finite`, which depends on every gradient and so on every reader of the old numbers: that is
  // what lets the engine write the new numbers over the old ones.
  const names = coefficientNames(optimizer);
  const still = groups.flatMap(() => names.map((name) => optimizer.still[name]!));
  const scalars = tf.unstack(select(finite, given, tf.tensor1d(still)));
  const coefficients = groups.map((_, group) =>
    Object.fromEntries(names.map((name, i) => [name, scalars[group * names.length + i]!])),
  );
  const clip =
    clipNorm === undefined
      ? undefined
      : select(finite, tf.minimum(tf.div(clipNorm, tf.add(norm, CLIP_EPS)), 1), tf.scalar(1));

  const updates = trained.map(({ parameter, state, group }, i) => {
    const gradient = select(finite, scoped[i]!, tf.scalar(0));
    const scope = scopes[i];
    const scalar = coefficients[group]!;
    const updated = optimizer.update({
      parameter: parameter.value(),
      gradient: clip ? tf.mul(gradient, clip) : gradient,
      state: state.map((slot) => slot.value()),
      coefficients: scope?.steps ? optimizer.coefficientsAt(scalar, countsOf(scope.steps)) : scalar,
      weightDecay: groups[group]!.weightDecay,
    });
    return within(scope?.mask, updated, parameter, state);
  });
  // Not earlier, for the same reason.
  for (const [i, updated] of updates.entries()) {
    const { parameter, state } = trained[i]!;
    parameter.assign(updated.parameter);
    for (const [j, slot] of state.entries()) slot.assign(updated.state[j]!);
  }
  // A step that comes to nothing does so for what the method counted in it, too.
  for (const [i, parameter] of methodState.entries()) {
    parameter.assign(select(finite, parameter.value(), before[i]!));
  }
  return tf.stack([loss, norm, tf.cast(finite, "float32")]);
}

function lossOf(model: TrainableModel, batch: Readonly<Record<string, tf.Tensor>>): tf.Tensor {
  const loss = model.hooks?.loss?.({
    batch,
    forward: (inputs) => model.forward(inputs),
    criterion: (output, targets) => model.loss(output, targets),
  });
  return loss ?? model.loss(model.forward(batch), batch);
}

/** An entry that was never updated counts 0; what is computed for it is not used, but must not be a division by 0. */
function countsOf(steps: tf.Tensor): tf.Tensor {
  return tf.maximum(tf.cast(steps, "float32"), 1);
}

/** The update where the mask is not 0, the old numbers elsewhere. */
function within(
  mask: tf.Tensor | undefined,
  updated: Updated,
  parameter: Parameter,
  state: readonly Parameter[],
): Updated {
  if (!mask) return updated;
  const touched = tf.cast(mask, "bool");
  return {
    parameter: select(touched, updated.parameter, parameter.value()),
    state: updated.state.map((slot, i) => select(touched, slot, state[i]!.value())),
  };
}
