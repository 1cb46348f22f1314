// BART against Hugging Face's, text to text and as a classifier (fixtures/bart).
import { join } from "node:path";
import { BartForConditionalGeneration, BartForSequenceClassification, compile, type HostModel } from "@peft/core";
import { readFixture } from "@peft/core/testing";
import type { Row } from "./rows.js";
import type { Tensors } from "./tensors.js";
import { type TrainedCase, type TrainedInfo, trainedRows } from "./trained.js";

export async function bart(fixtures: string): Promise<Row[]> {
  const folder = join(fixtures, "bart");
  const { input } = readFixture(folder, "generation");
  return [
    ...(await trainedRows([
      trained("BART", folder, "generation", BartForConditionalGeneration.fromPretrained, async (model) => {
        const encode = compile((ids, mask) => model.encode({ inputIds: ids!, attentionMask: mask! }));
        const encoded = await encode(input("inputIds"), input("attentionMask"));
        const numbers = await encoded.data();
        encoded.dispose();
        return new Map([["encoded", numbers]]);
      }),
      trained("BART, padding seen", folder, "padding", () =>
        BartForConditionalGeneration.fromPretrained(join(folder, "generation")),
      ),
    ])),
    ...(await trainedRows([
      trained("BART classifier", folder, "classification", BartForSequenceClassification.fromPretrained),
    ])),
  ];
}

/** Full fine-tuning of a whole model. */
function trained<Model extends HostModel>(
  subject: string,
  folder: string,
  name: string,
  load: (directory: string) => Promise<Model>,
  measure?: (model: Model) => Promise<Tensors>,
): TrainedCase<Model> {
  const fixture = readFixture<TrainedInfo>(folder, name);
  return {
    subject,
    fixture,
    outputs: fixture.group("output"),
    open: () => load(join(folder, name)),
    trained: (model) => model.parameters(),
    measure,
  };
}
