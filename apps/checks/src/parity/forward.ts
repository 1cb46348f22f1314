// Rows of models whose fixture names its inputs: trained on one batch, or only run.
import { compile, type HostModel } from "@peft/core";
import { type Fixture, readFixture, type TrainingBatch } from "@peft/core/testing";
import { onBothEngines } from "./engines.js";
import type { Row } from "./rows.js";
import { engineRows, numbersOf, outputRows, type Tensors } from "./tensors.js";
import type { TrainedCase, TrainedInfo } from "./trained.js";

export interface Inputs {
  readonly inputs: readonly string[];
}

/** Full fine-tuning of a model with its head; its hidden states are compared too. */
export function trainedHost(
  subject: string,
  folder: string,
  name: string,
  load: () => Promise<HostModel>,
): TrainedCase<HostModel> {
  const fixture = readFixture<TrainedInfo & Inputs>(folder, name);
  const names = fixture.info.inputs.filter((input) => input !== "labels");
  return {
    subject,
    fixture,
    outputs: fixture.group("output"),
    open: load,
    trained: (model) => model.parameters(),
    measure: async (model) => {
      const run = compile((...tensors) => {
        const { hiddenStates } = model.forward(Object.fromEntries(names.map((input, i) => [input, tensors[i]!])));
        return Object.fromEntries(hiddenStates.map((x, i) => [`hidden.${i}`, x]));
      });
      return numbersOf(await run(...names.map((input) => fixture.input(input))));
    },
  };
}

/** What the original only ran. */
export async function forwardRows(
  subject: string,
  fixture: Fixture<unknown>,
  run: () => Promise<Tensors>,
): Promise<Row[]> {
  const { eager, compiled } = await onBothEngines(async () => ({ outputs: await run(), gradients: new Map() }));
  return [
    ...outputRows(`${subject} / outputs`, compiled.outputs, fixture.group("output")),
    ...engineRows(subject, { compiled, eager }),
  ];
}

/** The outputs of a model called from outside. */
export async function callOf(model: HostModel, fixture: Fixture<Inputs>): Promise<Tensors> {
  const batch: TrainingBatch = Object.fromEntries(fixture.info.inputs.map((name) => [name, fixture.input(name)]));
  const outputs = await numbersOf(await model(batch));
  model.dispose();
  return outputs;
}
