// One training step and a few of them, as the fixtures' originals make them: torch's AdamW, and MoSA's own.

import * as tf from "@tensorflow/tfjs";
import {
  type Argument,
  compile,
  gradients,
  inTraining,
  type ModelInputs,
  Parameter,
  type Trainable,
} from "../src/index.js";

export interface AdamW {
  readonly learningRate: number;
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly weightDecay: number;
  readonly steps: number;
  /** MoSA's (`mosa.md` §6.1): eps beside the uncorrected root, decay after the step, none for biases. */
  readonly official?: boolean;
}

export interface Batch {
  readonly [name: string]: Argument;
}

/** Loss, outputs and gradients of a batch. */
export async function stepOf(
  model: Trainable,
  batch: Batch,
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

/** Trains on one batch. @returns the losses, and p_0 and p_n of what was trained */
export async function train(
  model: Trainable,
  batch: Batch,
  trained: ReadonlyMap<string, Parameter>,
  optimizer: AdamW,
): Promise<{ losses: number[]; before: Map<string, Float32Array>; after: Map<string, Float32Array> }> {
  const before = await readAll(trained);
  const names = Object.keys(batch);
  const entries = [...trained].map(([name, parameter]) => ({
    parameter,
    decay: optimizer.official && name.includes("bias") ? 0 : optimizer.weightDecay,
    m: Parameter.zeros(parameter.shape),
    v: Parameter.zeros(parameter.shape),
  }));
  const { learningRate: lr, eps, official } = optimizer;
  const [b1, b2] = optimizer.betas;
  const step = compile((c1, c2, ...tensors) =>
    inTraining(() => {
      const inputs: ModelInputs = Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));
      const result = gradients(
        () => model.loss(model.forward(inputs), inputs),
        entries.map(({ parameter }) => parameter),
      );
      for (const [i, { parameter, decay, m, v }] of entries.entries()) {
        const g = result.gradients[i]!;
        const m1 = tf.add(tf.mul(m.value(), b1), tf.mul(g, 1 - b1));
        const v1 = tf.add(tf.mul(v.value(), b2), tf.mul(tf.square(g), 1 - b2));
        const p = parameter.value();
        const root = official ? tf.add(tf.sqrt(v1), eps) : tf.add(tf.sqrt(tf.div(v1, c2!)), eps);
        const size = official ? tf.div(tf.mul(tf.sqrt(c2!), lr), c1!) : tf.div(lr, c1!);
        const move = tf.mul(tf.div(m1, root), size);
        const next = official ? tf.mul(tf.sub(p, move), 1 - lr * decay) : tf.sub(tf.mul(p, 1 - lr * decay), move);
        m.assign(m1);
        v.assign(v1);
        parameter.assign(next);
      }
      return { loss: result.loss };
    }),
  );
  const losses: number[] = [];
  const scalar = (x: number): Argument => ({ data: Float32Array.of(x), shape: [], dtype: "float32" });
  for (let t = 1; t <= optimizer.steps; t++) {
    const { loss } = await step(scalar(1 - b1 ** t), scalar(1 - b2 ** t), ...names.map((name) => batch[name]!));
    losses.push((await loss.data())[0]!);
    loss.dispose();
  }
  for (const { m, v } of entries) {
    m.dispose();
    v.dispose();
  }
  return { losses, before, after: await readAll(trained) };
}

export async function readAll(parameters: ReadonlyMap<string, Parameter>): Promise<Map<string, Float32Array>> {
  const numbers = await Promise.all([...parameters.values()].map((parameter) => parameter.read()));
  return new Map([...parameters.keys()].map((name, i) => [name, numbers[i] as Float32Array]));
}
