// BERT against Hugging Face's, with every head, and with LoRA of Python's PEFT (fixtures/bert).
import { join } from "node:path";
import {
  BertForMaskedLM,
  BertForSequenceClassification,
  BertForTokenClassification,
  BertModel,
  PeftModel,
} from "@peft/core";
import { readFixture } from "@peft/core/testing";
import { callOf, forwardRows, type Inputs, trainedHost } from "./forward.js";
import type { Row } from "./rows.js";
import { bareRows } from "./text.js";
import { trainedRows } from "./trained.js";

export async function bert(fixtures: string): Promise<Row[]> {
  const folder = join(fixtures, "bert");
  const sequence = (checkpoint: string) => BertForSequenceClassification.fromPretrained(checkpoint);
  const masked = (checkpoint: string) => BertForMaskedLM.fromPretrained(checkpoint);
  const token = (checkpoint: string) => BertForTokenClassification.fromPretrained(checkpoint);
  const adapted = readFixture<Inputs>(folder, "lora");
  return [
    ...(await trainedRows([
      trainedHost("BERT tiny, masked LM", folder, "tiny-mlm", () => masked(join(folder, "tiny-mlm"))),
      trainedHost("BERT tiny, padding seen", folder, "tiny-padding", () => masked(join(folder, "tiny-mlm"))),
      trainedHost("BERT tiny, classes", folder, "tiny-sequence", () => sequence(join(folder, "tiny-sequence"))),
      trainedHost("BERT odd, several labels", folder, "odd-multilabel", () => sequence(join(folder, "odd-multilabel"))),
      trainedHost("BERT odd, regression", folder, "odd-regression", () => sequence(join(folder, "odd-regression"))),
      trainedHost("BERT odd, tokens", folder, "odd-token", () => token(join(folder, "odd-token"))),
    ])),
    ...(await bareRows("BERT odd, bare with pooler", folder, "odd-bare", (at) => BertModel.fromPretrained(at))),
    ...(await forwardRows("BERT tiny, LoRA", adapted, async () => {
      const host = await sequence(join(folder, "tiny-sequence"));
      return callOf(await PeftModel.fromPretrained(host, join(folder, "lora")), adapted);
    })),
  ];
}
