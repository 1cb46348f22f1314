// The hosts of the rows on adapters, as the reference programs build them.
import { join } from "node:path";
import {
  BartForConditionalGeneration,
  BertForSequenceClassification,
  BertForTokenClassification,
  CLIPTextModel,
  CLIPVisionModel,
  type HostModel,
  RobertaForSequenceClassification,
  T5ForConditionalGeneration,
  ViTForImageClassification,
} from "@peft/core";
import { fillGolden, SmallHost } from "@peft/core/testing";

const HOSTS: Readonly<Record<string, (folder: string) => Promise<HostModel>>> = {
  "../vit/tiny": (folder) => ViTForImageClassification.fromPretrained(folder),
  "../bert/tiny-sequence": (folder) => BertForSequenceClassification.fromPretrained(folder),
  "../bert/odd-token": (folder) => BertForTokenClassification.fromPretrained(folder),
  "../roberta/tiny-sequence": (folder) => RobertaForSequenceClassification.fromPretrained(folder),
  "../t5/v1.0": (folder) => T5ForConditionalGeneration.fromPretrained(folder),
  "../t5/v1.1": (folder) => T5ForConditionalGeneration.fromPretrained(folder),
  "../clip/text-old": (folder) => CLIPTextModel.fromPretrained(folder),
  "../clip/vision-bare": (folder) => CLIPVisionModel.fromPretrained(folder),
  "../bart/generation": (folder) => BartForConditionalGeneration.fromPretrained(folder),
};

/** @param name as a fixture's JSON has it: a folder of the fixtures, or the program that builds the small host */
export async function hostOf(fixtures: string, name: string): Promise<HostModel> {
  const load = HOSTS[name];
  if (load) return load(join(fixtures, name.slice("../".length)));
  const host = new SmallHost();
  fillGolden(host.parameters());
  return host;
}
