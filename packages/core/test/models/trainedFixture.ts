// A fixture of a model that an original ran and trained on one batch, checked value by value.

import { expect } from "vitest";
import { compile, type HostModel } from "../../src/index.js";
import {
  BOUNDS,
  changeError,
  expectClose,
  type Fixture,
  type FixtureOptimizer,
  fixtureTraining,
  gradientFloor,
  stepOf,
  type TrainingBatch,
  trainSteps,
} from "../../src/testing/index.js";

export interface TrainedInfo {
  readonly inputs: readonly string[];
  readonly zeroGradient: readonly string[];
  readonly losses: readonly number[];
  readonly optimizer: FixtureOptimizer;
}

/** The fixture's inputs and targets under the model's names. */
export function batchOf({ info, input }: Fixture<{ readonly inputs: readonly string[] }>): TrainingBatch {
  return Object.fromEntries(info.inputs.map((name) => [name, input(name)]));
}

/** Hidden states, logits, loss, gradients of all parameters, and the steps of the original's optimizer. */
export async function expectTrainedAlike(model: HostModel, fixture: Fixture<TrainedInfo>): Promise<void> {
  const { zeroGradient, losses: wantedLosses, optimizer, inputs } = fixture.info;
  const trained = model.parameters();

  const names = inputs.filter((name) => name !== "labels");
  const run = compile(
    (...tensors) => model.forward(Object.fromEntries(names.map((name, i) => [name, tensors[i]!]))).hiddenStates,
  );
  const hidden = await run(...names.map((name) => fixture.input(name)));
  const numbers = await Promise.all(hidden.map((tensor) => tensor.data()));
  for (const tensor of hidden) tensor.dispose();
  const { loss, logits, gradients } = await stepOf(model, batchOf(fixture), trained);
  const found = new Map<string, ArrayLike<number>>(numbers.map((data, i) => [`hidden.${i}`, data]));
  expectClose(found.set("logits", logits).set("loss", [loss]), fixture.group("output"), BOUNDS.outputs);

  const wanted = fixture.group("grad");
  const floor = gradientFloor(wanted.values());
  for (const key of zeroGradient) wanted.delete(key);
  expectClose(gradients, wanted, BOUNDS.gradients, { floor });

  const steps = await trainSteps(model, batchOf(fixture), trained, fixtureTraining(optimizer));
  expectClose(new Map([["losses", steps.losses]]), new Map([["losses", wantedLosses]]), BOUNDS.outputs);
  const deltas = fixture.group("delta");
  for (const key of zeroGradient) deltas.delete(key);
  for (const [key, delta] of deltas) {
    expect(changeError(steps.before.get(key)!, steps.after.get(key)!, delta), key).toBeLessThan(BOUNDS.steps);
  }
  model.dispose();
}
