// BERT against Hugging Face's, with every head, and with LoRA of Python's PEFT (fixtures/bert).
import { join } from "node:path";
import { BertForMaskedLM, BertForSequenceClassification, BertForTokenClassification, BertModel } from "@peft/core";
import type { Row } from "./rows.js";
import { adapterRows, bareRows, trainedText } from "./text.js";
import { trainedRows } from "./trained.js";

export async function bert(fixtures: string): Promise<Row[]> {
  const folder = join(fixtures, "bert");
  const sequence = (checkpoint: string) => BertForSequenceClassification.fromPretrained(checkpoint);
  const masked = (checkpoint: string) => BertForMaskedLM.fromPretrained(checkpoint);
  const token = (checkpoint: string) => BertForTokenClassification.fromPretrained(checkpoint);
  return [
    ...(await trainedRows([
      trainedText("BERT tiny, masked LM", folder, "tiny-mlm", masked),
      trainedText("BERT tiny, classes", folder, "tiny-sequence", sequence),
      trainedText("BERT odd, several labels", folder, "odd-multilabel", sequence),
      trainedText("BERT odd, regression", folder, "odd-regression", sequence),
      trainedText("BERT odd, tokens", folder, "odd-token", token),
    ])),
    ...(await bareRows("BERT odd, bare with pooler", folder, "odd-bare", (at) => BertModel.fromPretrained(at))),
    ...(await adapterRows("BERT tiny, LoRA", folder, "lora", () => sequence(join(folder, "tiny-sequence")))),
  ];
}
