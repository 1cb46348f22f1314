// Rows of models that an original ran and trained on one batch: outputs, gradients, the steps of its optimizer.
import type { HostModel, Parameter } from "@peft/core";
import {
  type Fixture,
  type FixtureOptimizer,
  fixtureTraining,
  stepOf,
  type TrainingBatch,
  trainSteps,
} from "@peft/core/testing";
import { onBothEngines } from "./engines.js";
import { type Row, row } from "./rows.js";
import { engineRows, gradientRows, type Measured, outputRows, stepRows, type Tensors } from "./tensors.js";

export interface TrainedInfo {
  readonly optimizer: FixtureOptimizer;
  /** Before each step. */
  readonly losses: readonly number[];
  readonly zeroGradient: readonly string[];
  /** The fixture's tensors that are the model's inputs under the same names. @defaultValue `pixels` and `labels` */
  readonly inputs?: readonly string[];
}

export interface TrainedCase<Model extends HostModel> {
  readonly subject: string;
  /** Holds the inputs, `grad.*` and `delta.*`. */
  readonly fixture: Fixture<TrainedInfo>;
  /** What the original computed: of `logits`, `loss` and what `measure` gives. */
  readonly outputs: Tensors;
  /** The model with the numbers that the original started from: a new one at each call. */
  open(): Promise<Model>;
  /** What is trained, by the fixture's names. */
  trained(model: Model): ReadonlyMap<string, Parameter>;
  /** Outputs beyond `logits` and `loss`; leaves the model as it was. */
  measure?(model: Model): Promise<Tensors>;
}

export async function trainedRows<Model extends HostModel>(cases: readonly TrainedCase<Model>[]): Promise<Row[]> {
  const { eager, compiled } = await onBothEngines(() => inTurn(cases, measured));
  const steps = await inTurn(cases, stepsOf);
  return cases.flatMap(({ subject, fixture, outputs }, i) => {
    const { losses, zeroGradient } = fixture.info;
    const own = compiled[i]!;
    return [
      ...outputRows(`${subject} / outputs`, own.outputs, outputs),
      ...gradientRows(`${subject} / gradients`, own.gradients, fixture.group("grad"), { zeroGradient }),
      ...outputRows(subject, new Map([["losses", steps[i]!.losses]]), new Map([["losses", losses]])),
      ...stepRows(`${subject} / p_${losses.length} − p_0`, steps[i]!, fixture.group("delta"), { zeroGradient }),
      ...engineRows(subject, { compiled: own, eager: eager[i]! }, { zeroGradient }),
    ];
  });
}

async function measured<Model extends HostModel>(one: TrainedCase<Model>): Promise<Measured> {
  const model = await one.open();
  const { loss, logits, gradients } = await stepOf(model, batchOf(one.fixture), one.trained(model));
  const more = (await one.measure?.(model)) ?? [];
  model.dispose();
  return { outputs: new Map([["logits", logits], ["loss", [loss]], ...more]), gradients };
}

async function stepsOf<Model extends HostModel>(
  one: TrainedCase<Model>,
): Promise<{ losses: readonly number[]; before: Tensors; after: Tensors }> {
  const model = await one.open();
  const settings = fixtureTraining(one.fixture.info.optimizer);
  const steps = await trainSteps(model, batchOf(one.fixture), one.trained(model), settings);
  model.dispose();
  return steps;
}

/** Inputs and targets of fixtures that do not list them, and what models call them. */
const INPUTS: Readonly<Record<string, string>> = {
  pixels: "pixelValues",
  ids: "inputIds",
  inputIds: "inputIds",
  attentionMask: "attentionMask",
  decoderInputIds: "decoderInputIds",
  decoderAttentionMask: "decoderAttentionMask",
  labels: "labels",
};

export function batchOf(fixture: Fixture<unknown>): TrainingBatch {
  const { inputs } = fixture.info as Partial<TrainedInfo>;
  if (inputs) return Object.fromEntries(inputs.map((name) => [name, fixture.input(name)]));
  const there = Object.entries(INPUTS).filter(([name]) => fixture.tensors.has(name));
  return Object.fromEntries(there.map(([name, input]) => [input, fixture.input(name)]));
}

/** One after the other: the engine is shared. */
async function inTurn<Item, T>(items: readonly Item[], run: (item: Item) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (const item of items) results.push(await run(item));
  return results;
}

/** A row for text that must be the same. */
export function textRow(name: string, actual: string, expected: string): Row {
  return row(name, "exact", actual === expected ? 0 : 1);
}
