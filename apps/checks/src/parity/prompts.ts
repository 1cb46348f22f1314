// Prompts and prefixes against Python's PEFT, from the files that it writes; visual prompts against their formula
// (fixtures/prompts).
import { join } from "node:path";
import { PeftModel } from "@peft/core";
import { readFixture } from "@peft/core/testing";
import { onBothEngines } from "./engines.js";
import { hostOf } from "./hosts.js";
import type { Row } from "./rows.js";
import { engineRows, numbersOf, outputRows } from "./tensors.js";
import { batchOf, type TrainedCase, type TrainedInfo, trainedRows } from "./trained.js";

interface PromptInfo extends TrainedInfo {
  readonly host: string;
}

const CASES: readonly [subject: string, name: string][] = [
  ["Prompts, BERT", "prompt-bert"],
  ["Prompts, BERT's tokens", "prompt-bert-tokens"],
  ["Prompts, RoBERTa", "prompt-roberta"],
  ["Prompts, T5", "prompt-t5"],
  ["Prompts, BART", "prompt-bart"],
  ["Prefixes, BERT", "prefix-bert"],
  ["Prefixes, BERT's tokens", "prefix-bert-tokens"],
  ["Prefixes, RoBERTa", "prefix-roberta"],
  ["Prefixes, T5", "prefix-t5"],
  ["Prefixes, BART", "prefix-bart"],
  ["Visual prompts, shallow", "visual-shallow"],
  ["Visual prompts, deep", "visual-deep"],
];

export async function prompts(fixtures: string): Promise<Row[]> {
  return [
    ...(await trainedRows(CASES.map(([subject, name]) => promptCase(fixtures, subject, name)))),
    ...(await projectedRows(fixtures)),
  ];
}

/** A prefix that was trained with a projection: the file has what came out of it. */
async function projectedRows(fixtures: string): Promise<Row[]> {
  const fixture = readFixture<PromptInfo>(join(fixtures, "prompts"), "prefix-projected");
  const measured = await onBothEngines(async () => {
    const model = await load(fixtures, "prefix-projected", fixture.info.host);
    const { labels: _, ...inputs } = batchOf(fixture);
    const outputs = await numbersOf(await model(inputs));
    model.dispose();
    return { outputs, gradients: new Map() };
  });
  const wanted = new Map([["logits", fixture.group("output").get("logits")!]]);
  return [
    ...outputRows("Prefixes, projected / outputs", measured.compiled.outputs, wanted),
    ...engineRows("Prefixes, projected", measured),
  ];
}

function promptCase(fixtures: string, subject: string, name: string): TrainedCase<PeftModel> {
  const fixture = readFixture<PromptInfo>(join(fixtures, "prompts"), name);
  return {
    subject,
    fixture,
    outputs: fixture.group("output"),
    open: () => load(fixtures, name, fixture.info.host),
    // PEFT's keys of what stands beside the host have no beginning.
    trained: (model) =>
      new Map(
        [...model.trainableParameters()].map(([key, parameter]) => [
          key.endsWith("prompt_embeddings") ? key : `base_model.${key}`,
          parameter,
        ]),
      ),
  };
}

async function load(fixtures: string, name: string, host: string): Promise<PeftModel> {
  return PeftModel.fromPretrained(await hostOf(fixtures, host), join(fixtures, "prompts", name), { isTrainable: true });
}
