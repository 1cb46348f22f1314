// The part of a training step that comes before the update: the loss of a batch and its gradients.

import * as tf from "@tensorflow/tfjs";
import { gradients, inCheckpointing, inTraining, type Parameter } from "../engine/index.js";
import type { TrainableModel } from "./model.js";
import type { StepPlan, TrainingStepOptions } from "./stepPlan.js";

export interface Gradients {
  /** A scalar. */
  readonly loss: tf.Tensor;
  /** In the order of the plan's parameters. */
  readonly gradients: readonly tf.Tensor[];
}

export type BatchTensors = Readonly<Record<string, tf.Tensor>>;

/** Inside a compiled function: the loss, a scalar, and its gradients, in training mode. */
export function gradientsOf(
  model: TrainableModel,
  { trained }: StepPlan,
  batch: BatchTensors,
  { gradientCheckpointing = false }: TrainingStepOptions,
): Gradients {
  const parameters = trained.map(({ parameter }) => parameter);
  const differentiate = () => inTraining(() => gradients(() => lossOf(model, batch), parameters));
  const found = gradientCheckpointing ? inCheckpointing(differentiate) : differentiate();
  return { loss: tf.reshape(found.loss, []), gradients: found.gradients };
}

function lossOf(model: TrainableModel, batch: BatchTensors): tf.Tensor {
  const loss = model.hooks?.loss?.({
    batch,
    forward: (inputs) => model.forward(inputs),
    criterion: (output, targets) => model.loss(output, targets),
  });
  return loss ?? model.loss(model.forward(batch), batch);
}

/** What a method counts in its steps, as far as a step that comes to nothing must not change it. */
export function methodCounts(model: TrainableModel): Parameter[] {
  return [...(model.hooks?.state?.values() ?? [])].filter(({ dtype }) => dtype !== "bool");
}
