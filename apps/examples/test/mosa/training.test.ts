// A training that is stopped and gone on with: ten steps of a linear probe.

import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { evaluate, type ImageDataset, readImageProcessor, useEngine } from "@peft/core";
import { afterEach, beforeEach, expect, it } from "vitest";
import { METHODS } from "../../src/mosa/methods.js";
import { openPictures } from "../../src/mosa/pictures.js";
import { type Setting, testLoader, train } from "../../src/mosa/training.js";

const assets = join(import.meta.dirname, "../../assets");
const host = join(assets, "vit-cifar6");
const probe = METHODS.find(({ folder }) => folder === "probe")!;

let folder: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "training-"));
  await useEngine("compiled", { threads: 1 });
});
afterEach(() => rmSync(folder, { recursive: true }));

async function makeSetting(signal: AbortSignal): Promise<Setting> {
  // Two pictures of each of ten classes in each part, as a slow engine has them.
  const pictures = await openPictures({ data: join(assets, "fashion"), perClass: 2, engine: "eager" });
  return { host, pictures, processor: await readImageProcessor(host), epochs: 2, batchSize: 4, signal };
}

/** Aborts when so many pictures have been read. */
function abortingAfter(dataset: ImageDataset, reads: number, controller: AbortController): ImageDataset {
  let count = 0;
  return Object.assign(Object.create(dataset) as ImageDataset, {
    get: (i: number) => {
      if (++count === reads) controller.abort();
      return dataset.get(i);
    },
  });
}

it("A training that was stopped and gone on with has the curve and the speed of a whole one", async () => {
  const never = await makeSetting(new AbortController().signal);
  const whole = await train(probe, 0, join(folder, "whole"), never);
  expect(whole.result.points.filter(({ split }) => split === "train").map(({ step }) => step)).toEqual([
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
  ]);

  const controller = new AbortController();
  const setting = await makeSetting(controller.signal);
  const pictures = { ...setting.pictures, train: abortingAfter(setting.pictures.train, 25, controller) };
  const stopped = train(probe, 0, join(folder, "stopped"), { ...setting, pictures });
  await expect(stopped).rejects.toMatchObject({ name: "AbortError" });
  expect(existsSync(join(folder, "stopped/checkpoint-last"))).toBe(true);

  const { result, model } = await train(probe, 0, join(folder, "stopped"), never);
  expect(result.points).toEqual(whole.result.points);
  expect(result.stepsPerSecond).toBeGreaterThan(0);
  expect(result.accuracy).toBe(whole.result.accuracy);
  model.dispose();
  whole.model.dispose();
});

it("A training that is finished is not done again: its result stays, and its model is loaded", async () => {
  const setting = await makeSetting(new AbortController().signal);
  const first = await train(probe, 0, folder, setting);
  const path = join(folder, "result.json");
  const [written, { mtimeMs }] = [readFileSync(path, "utf8"), statSync(path)];
  const steps = () => readFileSync(join(folder, "log.jsonl"), "utf8").match(/"type":"step"/g)?.length;
  expect(steps()).toBe(10);

  const again = await train(probe, 0, folder, setting);
  expect(again.result).toEqual(first.result);
  expect(readFileSync(path, "utf8")).toBe(written);
  expect(statSync(path).mtimeMs).toBe(mtimeMs);
  expect(steps()).toBe(10);
  expect((await evaluate(again.model, testLoader(setting))).accuracy).toBe(first.result.accuracy);
  first.model.dispose();
  again.model.dispose();
});
