// What is done with the winner's adapter: saved, loaded into a fresh host, its experts merged, its answers compared.

import { join } from "node:path";
import { type Classification, classifyImage, type HostArray, PeftModel } from "@peft/core";
import { mergeExperts } from "@peft/mosa";
import { renderSheet, type Tile } from "../report/index.js";
import { makeHost, type Setting, testLoader } from "./training.js";

/** Pictures on the sheet, and lines that are printed of them. */
const SHEET = 32;
const PRINTED = 5;
/** Merging sums in another order: differences of float32's rounding. */
const TOLERANCE = 1e-4;

export interface Finale {
  /** The reloaded model with its experts merged, on a fresh host. */
  readonly model: PeftModel;
  /** Largest differences between logits: reloaded against trained, merged against trained, bare host against trained. */
  readonly differences: { readonly reloaded: number; readonly merged: number; readonly bare: number };
  readonly parameters: string;
}

/** Saves the adapter to `folder`, loads it into a fresh host, and merges its experts into one plain adapter. */
export async function saveAndMerge(
  trained: PeftModel,
  folder: string,
  seed: number,
  setting: Setting,
): Promise<Finale> {
  const { pictures } = setting;
  const batch = await firstBatch(setting);
  const logits = (model: PeftModel): Promise<Float32Array> => logitsOf(model, batch);
  const expected = await logits(trained);
  await trained.savePretrained(folder);

  // A fresh host has the pretrained body, and a head that is not the trained one.
  const host = await makeHost(pictures.classes, seed);
  const bare = await logitsOf(host, batch);
  const model = await PeftModel.fromPretrained(host, folder);
  const reloaded = await logits(model);
  await mergeExperts(model);
  model.deleteAdapter("default");
  model.setAdapter("merged");
  const merged = await logits(model);
  const differences = {
    reloaded: largestDifference(expected, reloaded),
    merged: largestDifference(expected, merged),
    bare: largestDifference(expected, bare),
  };
  if (differences.reloaded > TOLERANCE || differences.merged > TOLERANCE || differences.bare < 10 * TOLERANCE) {
    throw new Error(`the saved adapter does not compute what the trained one did: ${JSON.stringify(differences)}`);
  }
  await model.savePretrained(folder, { selectedAdapters: ["merged"] });
  return { model, differences, parameters: trained.printTrainableParameters() };
}

/** Names what is in some test pictures: lines for the terminal, and a sheet as PNG. */
export async function nameSome(
  model: PeftModel,
  { pictures, processor }: Setting,
): Promise<{ lines: string[]; sheet: Buffer }> {
  const { test, classes } = pictures;
  const count = Math.min(SHEET, test.length);
  const tiles: Tile[] = [];
  const lines: string[] = [];
  for (let i = 0; i < count; i++) {
    const { image, label, id } = await test.get(Math.floor((i * test.length) / count));
    const [found = []] = await classifyImage(model, [image], { processor, labels: classes, topK: 3 });
    const best = found[0]!;
    const picture = await toPng(image);
    tiles.push({ picture, label: classes[label]!, predicted: best.label, score: best.score });
    if (i % Math.ceil(count / PRINTED) === 0)
      lines.push(`${id}: ${found.map(describe).join(", ")} (it is ${classes[label]})`);
  }
  return { lines, sheet: await renderSheet({ title: "MoSA on test pictures", tiles }) };
}

function describe({ label, score }: Classification): string {
  return `${label} ${(100 * score).toFixed(0)} %`;
}

async function toPng({ data, width, height }: { data: Uint8Array; width: number; height: number }): Promise<Buffer> {
  const { default: sharp } = await import("sharp");
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

async function firstBatch(setting: Setting): Promise<HostArray> {
  for await (const { inputs } of testLoader(setting).batches(0)) return inputs.pixelValues;
  throw new Error("there are no test pictures");
}

async function logitsOf(
  model: (inputs: { pixelValues: HostArray }) => Promise<{ logits: { data(): Promise<unknown>; dispose(): void } }>,
  pixelValues: HostArray,
): Promise<Float32Array> {
  const { logits } = await model({ pixelValues });
  const numbers = ((await logits.data()) as Float32Array).slice();
  logits.dispose();
  return numbers;
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((largest, x, i) => Math.max(largest, Math.abs(x - b[i]!)), 0);
}

/** Where a run keeps the adapter that it shows. */
export function adapterFolder(run: string): string {
  return join(run, "adapter");
}
