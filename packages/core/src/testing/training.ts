// A training step looked into, and a few of them by the trainer, for comparison with an original implementation.

import * as tf from "@tensorflow/tfjs";
import { compile, gradients, inTraining, type Parameter } from "../engine/index.js";
import type { HostArray } from "../hostArray.js";
import type { ModelInputs, Trainable } from "../models/index.js";
import { arrayBatches, type TrainableModel, Trainer, type TrainerOptions } from "../train/index.js";

/** Inputs and targets by name. */
export type TrainingBatch = Readonly<Record<string, HostArray>>;

export type TrainingSettings = Pick<TrainerOptions, "optimizer" | "learningRate" | "weightDecay" | "groups"> & {
  readonly steps: number;
};

/** Loss, outputs and gradients of a batch, in training mode. Nothing is updated. */
export async function stepOf(
  model: Trainable,
  batch: TrainingBatch,
  trained: ReadonlyMap<string, Parameter>,
): Promise<{ loss: number; logits: Float32Array; gradients: Map<string, Float32Array> }> {
  const names = Object.keys(batch);
  const parameters = [...trained.values()];
  const step = compile((...tensors) =>
    inTraining(() => {
      const inputs: ModelInputs = Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));
      const result = gradients(() => model.loss(model.forward(inputs), inputs), parameters);
      return { loss: result.loss, logits: model.forward(inputs).logits, gradients: result.gradients };
    }),
  );
  const result = await step(...names.map((name) => batch[name]!));
  const keys = [...trained.keys()];
  const numbers = await Promise.all(result.gradients.map((tensor) => tensor.data()));
  const out = {
    loss: (await result.loss.data())[0]!,
    logits: (await result.logits.data()) as Float32Array,
    gradients: new Map(keys.map((key, i) => [key, numbers[i] as Float32Array])),
  };
  tf.dispose([result.loss, result.logits, ...result.gradients]);
  return out;
}

/**
 * Trains on one batch, the same in each step, by the `Trainer`.
 *
 * @returns the losses, and p_0 and p_n of what was trained
 */
export async function trainSteps(
  model: Trainable & Pick<TrainableModel, "hooks">,
  batch: TrainingBatch,
  trained: ReadonlyMap<string, Parameter>,
  settings: TrainingSettings,
): Promise<{ losses: number[]; before: Map<string, Float32Array>; after: Map<string, Float32Array> }> {
  const trainable: TrainableModel = {
    forward: (inputs) => model.forward(inputs),
    loss: (output, targets) => model.loss(output, targets),
    trainableParameters: () => trained,
    hooks: model.hooks,
  };
  const before = await readAll(trained);
  const size = Object.values(batch)[0]?.shape[0] ?? 0;
  const trainer = new Trainer(trainable, { ...settings, train: arrayBatches(batch, { batchSize: size }) });
  const losses: number[] = [];
  for await (const event of trainer.run()) if (event.type === "step") losses.push(event.loss);
  return { losses, before, after: await readAll(trained) };
}

/** The numbers of parameters of float32, copied. */
export async function readAll(parameters: ReadonlyMap<string, Parameter>): Promise<Map<string, Float32Array>> {
  const numbers = await Promise.all([...parameters.values()].map((parameter) => parameter.read()));
  return new Map([...parameters.keys()].map((name, i) => [name, numbers[i] as Float32Array]));
}
