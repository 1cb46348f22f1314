// RoBERTa against Hugging Face's, with every head (fixtures/roberta).
import { join } from "node:path";
import {
  RobertaForMaskedLM,
  RobertaForSequenceClassification,
  RobertaForTokenClassification,
  RobertaModel,
} from "@peft/core";
import { trainedHost } from "./forward.js";
import type { Row } from "./rows.js";
import { bareRows } from "./text.js";
import { trainedRows } from "./trained.js";

export async function roberta(fixtures: string): Promise<Row[]> {
  const folder = join(fixtures, "roberta");
  const sequence = (checkpoint: string) => RobertaForSequenceClassification.fromPretrained(checkpoint);
  const masked = (checkpoint: string) => RobertaForMaskedLM.fromPretrained(checkpoint);
  const token = (checkpoint: string) => RobertaForTokenClassification.fromPretrained(checkpoint);
  return [
    ...(await trainedRows([
      trainedHost("RoBERTa tiny, masked LM", folder, "tiny-mlm", () => masked(join(folder, "tiny-mlm"))),
      trainedHost("RoBERTa tiny, padding seen", folder, "tiny-padding", () => masked(join(folder, "tiny-mlm"))),
      trainedHost("RoBERTa tiny, classes", folder, "tiny-sequence", () => sequence(join(folder, "tiny-sequence"))),
      trainedHost("RoBERTa odd, regression", folder, "odd-regression", () => sequence(join(folder, "odd-regression"))),
      trainedHost("RoBERTa odd, tokens", folder, "odd-token", () => token(join(folder, "odd-token"))),
    ])),
    ...(await bareRows("RoBERTa odd, bare with pooler", folder, "odd-bare", (at) => RobertaModel.fromPretrained(at))),
  ];
}
