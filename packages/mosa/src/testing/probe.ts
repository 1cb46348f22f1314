// A step that is about to be taken, looked into without taking it.

import { type Batch, compile, gradients, inTraining, type PeftModel, type StepContext } from "@peft/core";
import type { Numbers } from "@peft/core/testing";
import * as tf from "@tensorflow/tfjs";

/** The first pass's logits of a step over this batch, and the gradients of what is trained. Nothing is changed. */
export async function probe(
  model: PeftModel,
  { inputs }: Batch,
): Promise<{ logits: Numbers; grads: Map<string, Numbers> }> {
  const hooks = model.hooks!;
  const trained = model.trainableParameters();
  const names = Object.keys(inputs);
  const step = compile((...values) =>
    inTraining(() => {
      let logits: tf.Tensor | undefined;
      const context: StepContext = {
        batch: Object.fromEntries(names.map((name, i) => [name, values[i]!])),
        forward: (given) => model.forward(given),
        criterion: (output, batch) => {
          // Kept, since the tape that the loss is recorded on frees what is not its result.
          logits ??= tf.keep(tf.clone(output.logits));
          return model.loss(output, batch);
        },
      };
      const { gradients: grads } = gradients(() => hooks.loss!(context), [...trained.values()]);
      return { logits: logits!, grads };
    }),
  );
  // The method counts in its loss, which is to be without effect here.
  const state = [...hooks.state!.values()];
  const before = await Promise.all(state.map((parameter) => parameter.read()));
  const found = await step(...names.map((name) => inputs[name]!));
  for (const [i, parameter] of state.entries()) parameter.adopt(before[i]!);
  const numbers = await Promise.all(found.grads.map((tensor) => tensor.data()));
  const logits = (await found.logits.data()).slice() as Float32Array;
  tf.dispose(found);
  return { logits, grads: new Map([...trained.keys()].map((key, i) => [key, numbers[i]!.slice() as Float32Array])) };
}
