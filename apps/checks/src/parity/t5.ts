// T5 against Hugging Face's, and with an adapter of Python's PEFT (fixtures/t5).
import { join } from "node:path";
import { compile, PeftModel, T5ForConditionalGeneration } from "@peft/core";
import { readFixture, stepOf } from "@peft/core/testing";
import { onBothEngines } from "./engines.js";
import type { Row } from "./rows.js";
import { engineRows, outputRows } from "./tensors.js";
import { batchOf, type TrainedCase, type TrainedInfo, trainedRows } from "./trained.js";

export async function t5(fixtures: string): Promise<Row[]> {
  const folder = join(fixtures, "t5");
  return [
    ...(await trainedRows([trained("T5 1.0", folder, "v1.0"), trained("T5 1.1", folder, "v1.1")])),
    ...(await loraRows(folder)),
  ];
}

/** Full fine-tuning of a whole model. */
function trained(subject: string, folder: string, name: string): TrainedCase<T5ForConditionalGeneration> {
  const fixture = readFixture<TrainedInfo>(folder, name);
  return {
    subject,
    fixture,
    outputs: fixture.group("output"),
    open: () => T5ForConditionalGeneration.fromPretrained(join(folder, name)),
    trained: (model) => model.parameters(),
    measure: async (model) => {
      const encode = compile((ids, mask) => model.encode({ inputIds: ids!, attentionMask: mask! }));
      const encoded = await encode(fixture.input("inputIds"), fixture.input("attentionMask"));
      const numbers = await encoded.data();
      encoded.dispose();
      return new Map([["encoded", numbers]]);
    },
  };
}

async function loraRows(folder: string): Promise<Row[]> {
  const fixture = readFixture(folder, "lora");
  const measured = await onBothEngines(async () => {
    const host = await T5ForConditionalGeneration.fromPretrained(join(folder, "v1.0"));
    const model = await PeftModel.fromPretrained(host, join(folder, "lora"), { isTrainable: true });
    const { logits, loss, gradients } = await stepOf(model, batchOf(fixture), model.trainableParameters());
    model.dispose();
    return {
      outputs: new Map<string, ArrayLike<number>>([
        ["logits", logits],
        ["loss", [loss]],
      ]),
      gradients,
    };
  });
  const subject = "T5 1.0 with PEFT's LoRA";
  return [
    ...outputRows(`${subject} / outputs`, measured.compiled.outputs, fixture.group("output")),
    ...engineRows(subject, measured),
  ];
}
