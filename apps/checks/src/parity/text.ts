// What BERT's and RoBERTa's rows have in common: heads trained on one batch, bare models, adapters.
import { join } from "node:path";
import { compile, type HostModel, PeftModel, type TextHost, type TextModel } from "@peft/core";
import { type Fixture, readFixture, type TrainingBatch } from "@peft/core/testing";
import { onBothEngines } from "./engines.js";
import type { Row } from "./rows.js";
import { engineRows, numbersOf, outputRows, type Tensors } from "./tensors.js";
import type { TrainedCase, TrainedInfo } from "./trained.js";

interface Inputs {
  readonly inputs: readonly string[];
}

/** Full fine-tuning of a model with its head. */
export function trainedText(
  subject: string,
  folder: string,
  name: string,
  load: (folder: string) => Promise<TextHost>,
): TrainedCase<TextHost> {
  const fixture = readFixture<TrainedInfo & Inputs>(folder, name);
  const names = fixture.info.inputs.filter((input) => input !== "labels");
  return {
    subject,
    fixture,
    outputs: fixture.group("output"),
    open: () => load(join(folder, name)),
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

/** The last hidden state and the pooler of a model without a head. */
export function bareRows(
  subject: string,
  folder: string,
  name: string,
  load: (folder: string) => Promise<TextModel>,
): Promise<Row[]> {
  const fixture = readFixture<Inputs>(folder, name);
  const { inputs } = fixture.info;
  return forwardRows(subject, fixture, async () => {
    const model = await load(join(folder, name));
    const run = compile((...tensors) => {
      const output = model.forward(Object.fromEntries(inputs.map((input, i) => [input, tensors[i]!])));
      return { lastHidden: output.lastHiddenState, pooler: model.pool(output) };
    });
    return numbersOf(await run(...inputs.map((input) => fixture.input(input))));
  });
}

/** An adapter that Python's PEFT wrote, on a host of ours. */
export function adapterRows(
  subject: string,
  folder: string,
  name: string,
  load: () => Promise<HostModel>,
): Promise<Row[]> {
  const fixture = readFixture<Inputs>(folder, name);
  return forwardRows(subject, fixture, async () => {
    const model = await PeftModel.fromPretrained(await load(), join(folder, name));
    const outputs = await numbersOf(await model(batchOf(fixture)));
    model.dispose();
    return outputs;
  });
}

/** A checkpoint that the original only ran. */
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

function batchOf(fixture: Fixture<Inputs>): TrainingBatch {
  return Object.fromEntries(fixture.info.inputs.map((name) => [name, fixture.input(name)]));
}
