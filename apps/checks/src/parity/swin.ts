// Swin transformers against Hugging Face's and timm's (fixtures/swin).
import { join } from "node:path";
import { SwinForImageClassification } from "@peft/core";
import { readFixture } from "@peft/core/testing";
import { callOf, forwardRows, type Inputs, trainedHost } from "./forward.js";
import type { Row } from "./rows.js";
import { trainedRows } from "./trained.js";

export async function swin(fixtures: string): Promise<Row[]> {
  const folder = join(fixtures, "swin");
  const load = (name: string) => SwinForImageClassification.fromPretrained(join(folder, name));
  const timm = readFixture<Inputs>(folder, "tiny-timm");
  return [
    ...(await trainedRows([
      trainedHost("Swin tiny, 64 pixels", folder, "tiny-64", () => load("tiny")),
      trainedHost("Swin tiny, 40 pixels", folder, "tiny-40", () => load("tiny")),
      trainedHost("Swin odd", folder, "odd-50", () => load("odd")),
    ])),
    ...(await forwardRows("Swin tiny, timm's file", timm, async () => callOf(await load("tiny-timm"), timm))),
    ...(await forwardRows("Swin tiny, timm's older file", timm, async () => callOf(await load("tiny-timm-old"), timm))),
  ];
}
