import { mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type PeftError, useEngine } from "../../src/index.js";
import { adamW, arrayBatches, sgd, Trainer, type TrainerOptions } from "../../src/train/index.js";
import { Mlp, numbersOf, points } from "./models.js";

let folder: string;
let last: string;
beforeEach(async () => {
  await useEngine("compiled", { threads: 1 });
  folder = await mkdtemp(join(tmpdir(), "peft-checkpoint-"));
  last = join(folder, "checkpoint-last");
  await train(new Mlp(), { outputDir: folder });
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function train(model: Mlp, more: Partial<TrainerOptions>): Promise<void> {
  const source = arrayBatches(points(12), { batchSize: 6 });
  const trainer = new Trainer(model, { train: source, epochs: 1, learningRate: 0.1, optimizer: adamW(), ...more });
  for await (const _ of trainer.run());
}

/** Fails to resume; the model must be what it was. */
async function refusal(model: Mlp, more: Partial<TrainerOptions> = {}): Promise<PeftError> {
  const before = await numbersOf(model.parameters());
  const error = await train(model, { resume: folder, ...more }).catch((e) => e);
  expect(await numbersOf(model.parameters())).toEqual(before);
  return error;
}

it("a checkpoint holds the state and the tensors, and nothing else is left in the folder", async () => {
  expect((await readdir(folder)).sort()).toEqual(["checkpoint-last", "log.jsonl"]);
  expect((await readdir(last)).sort()).toEqual(["trainer_state.json", "training.safetensors"]);
});

it("a checkpoint of another model is refused with what differs", async () => {
  const error = await refusal(new Mlp({ hidden: 5 }));
  expect(error.code).toBe("CHECKPOINT_MISMATCH");
  expect(error.message).toContain("parameter.first.weight: float32[8,4] in the checkpoint, float32[5,4] here");
  expect(error.details).toMatchObject({ differences: expect.arrayContaining([expect.stringContaining("exp_avg_sq")]) });
});

it("a checkpoint with too few or too many tensors is refused", async () => {
  class Part extends Mlp {
    override trainableParameters() {
      return new Map([["second.weight", this.second.weight]]);
    }
  }
  expect((await refusal(new Part())).message).toContain("parameter.first.bias: not here");
  await rm(folder, { recursive: true });
  await train(new Part(), { outputDir: folder });
  expect((await refusal(new Mlp())).message).toContain("parameter.first.bias: not in the checkpoint");
});

it("a checkpoint of a run with another seed, optimizer or batch size is refused", async () => {
  expect((await refusal(new Mlp(), { seed: 1 })).message).toContain("seed: 0 in the checkpoint, 1 here");
  expect((await refusal(new Mlp(), { optimizer: sgd() })).message).toContain("optimizer: adamW in the checkpoint");
  const error = await refusal(new Mlp(), { train: arrayBatches(points(12), { batchSize: 2 }) });
  expect(error).toMatchObject({ code: "CHECKPOINT_MISMATCH" });
  expect(error.message).toContain("batchesPerEpoch: 2 in the checkpoint, 6 here");
});

it("a truncated file of tensors is refused", async () => {
  await truncate(join(last, "training.safetensors"), 600);
  expect(await refusal(new Mlp())).toMatchObject({ code: "CHECKPOINT_INVALID", place: last });
});

it.each([
  ["half of it", (text: string) => text.slice(0, text.length / 2)],
  ["an unknown version", (text: string) => text.replace('"version": 2', '"version": 3')],
  ["a step below zero", (text: string) => text.replace('"step": 2', '"step": -2')],
  ["no progress", () => "{}"],
])("a state file with %s is refused", async (_, spoil) => {
  const path = join(last, "trainer_state.json");
  await writeFile(path, spoil(await readFile(path, "utf8")));
  expect(await refusal(new Mlp())).toMatchObject({ code: "CHECKPOINT_INVALID" });
});

it("a folder without a checkpoint is an error that names it", async () => {
  expect(await refusal(new Mlp(), { resume: join(folder, "nowhere") })).toMatchObject({
    code: "FILE_MISSING",
    place: join(folder, "nowhere"),
  });
});

it("the previous checkpoint is found when the process ended before the new one was in place", async () => {
  await rename(last, join(folder, ".checkpoint-last.previous"));
  const model = new Mlp();
  await train(model, { resume: folder, epochs: 2 });
  const whole = new Mlp();
  await train(whole, { epochs: 2 });
  expect(await numbersOf(model.parameters())).toEqual(await numbersOf(whole.parameters()));
});

it("loadBest of a resumed run wants the best checkpoint beside it", async () => {
  const validation = arrayBatches(points(6), { batchSize: 6 });
  await rm(last, { recursive: true });
  await train(new Mlp(), { outputDir: folder, validation });
  await rm(join(folder, "checkpoint-best"), { recursive: true });
  const error = await train(new Mlp(), { resume: folder, validation, loadBest: true }).catch((e) => e);
  expect(error).toMatchObject({ code: "FILE_MISSING", place: join(folder, "checkpoint-best") });
});
