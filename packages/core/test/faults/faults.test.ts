// What can go wrong around a run: space, other runs and models, other data, other processes, damaged files. Each is a
// PeftError that says what and where and what to do, and loses nothing.

import { appendFile, cp, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { env, PeftError, useEngine } from "../../src/index.js";
import { arrayBatches, readRunLog, Trainer, type TrainerOptions } from "../../src/train/index.js";
import { Mlp, numbersOf, points } from "../train/models.js";
import { all, temporaryFolder, untilError } from "../train/support.js";
import { run, start } from "./children.js";
import { type SmallDisk, smallDisk } from "./smallDisk.js";

const folder = temporaryFolder();
const disk: SmallDisk | undefined = await smallDisk();
afterAll(() => disk?.remove());

const warnings: string[] = [];
beforeAll(() => {
  env.warn = ({ code, message }) => void warnings.push(`${code} ${message}`);
});
beforeEach(async () => {
  await useEngine("eager");
  warnings.length = 0;
});

function options(more: Partial<TrainerOptions> = {}): TrainerOptions {
  const train = arrayBatches(points(20), { batchSize: 6, shuffle: true, seed: 3 });
  return { train, epochs: 2, learningRate: 0.02, outputDir: folder.path, saveEvery: 1, ...more };
}

/** A run of one epoch, of which the folder then holds the checkpoints. */
const begun = (more: Partial<TrainerOptions> = {}) => all(new Trainer(new Mlp(), options({ epochs: 1, ...more })));

/** The error of a run that must not change the model, nor the run that the folder holds. */
async function refusal(more: Partial<TrainerOptions>, model = new Mlp()): Promise<PeftError> {
  const kept = () => readFile(join(folder.path, "checkpoint-last", "training.safetensors"));
  const before = [await numbersOf(model.parameters()), await kept()] as const;
  const { error, events } = await untilError(new Trainer(model, options(more)));
  expect(events).toEqual([]);
  expect(error).toBeInstanceOf(PeftError);
  expect(await numbersOf(model.parameters())).toEqual(before[0]);
  expect((await kept()).equals(before[1])).toBe(true);
  const { place, hint } = error as PeftError;
  expect(place).toContain(folder.path);
  expect(hint).toBeTruthy();
  return error as PeftError;
}

/** The run in the folder goes on and ends with the bits of one that was left alone. */
async function goesOn(): Promise<void> {
  const [model, alone] = [new Mlp({ seed: 9 }), new Mlp()];
  await all(new Trainer(model, options({ resume: true })));
  await all(new Trainer(alone, options({ outputDir: undefined, saveEvery: undefined })));
  expect(await numbersOf(model.parameters())).toEqual(await numbersOf(alone.parameters()));
}

it.skipIf(!disk)(
  `a full disk${disk ? ` (${disk.says})` : ": no small file system and no limit on files can be had here"}`,
  async () => {
    const { path, says, through, fill, free } = disk!;
    const [outputDir, alone] = [join(path, "run"), join(folder.path, "alone")];
    expect((await run({ outputDir, death: { name: "after step", step: 4 } })).signal).toBe("SIGKILL");
    const before = await readFile(join(outputDir, "checkpoint-last", "training.safetensors"));
    await fill();
    const { lines, code } = await run({ outputDir }, through);
    expect(code).toBe(0);
    const { error } = lines.at(-1)!;
    expect(error).toMatchObject({ code: "FILE_UNWRITABLE", place: join(outputDir, "checkpoint-last") });
    expect(error!.message).toContain(says);
    expect(error!.hint).toMatch(says === "ENOSPC" ? /disk is full/ : /ulimit/);
    expect((await readFile(join(outputDir, "checkpoint-last", "training.safetensors"))).equals(before)).toBe(true);
    expect((await readdir(outputDir)).filter((name) => name.startsWith("."))).toEqual([]);
    await free();
    expect((await run({ outputDir })).lines.at(-1)).toEqual({ type: "done", step: 9 });
    await run({ outputDir: alone });
    for (const file of ["training.safetensors", "trainer_state.json"]) {
      const end = (of: string) => readFile(join(of, "checkpoint-last", file));
      expect((await end(outputDir)).equals(await end(alone)), file).toBe(true);
    }
  },
);

it("a folder that holds another run", async () => {
  await begun();
  expect((await refusal({})).code).toBe("RUN_EXISTS");
  await goesOn();
});

it("a checkpoint of another model", async () => {
  await begun();
  const error = await refusal({ resume: true }, new Mlp({ hidden: 5 }));
  expect(error).toMatchObject({ code: "CHECKPOINT_MISMATCH", place: join(folder.path, "checkpoint-last") });
  expect(error.message).toContain("first.weight: float32[8,4] in the checkpoint, float32[5,4] here");
  await goesOn();
});

it("a checkpoint of a run with other settings", async () => {
  await begun();
  const error = await refusal({ resume: true, seed: 8 });
  expect(error.code).toBe("CHECKPOINT_MISMATCH");
  expect(error.message).toContain("seed: 0 in the checkpoint, 8 here");
  await goesOn();
});

it.each([
  ["has more examples", points(21)],
  ["has other numbers", points(20, 2)],
])("training data that %s than when the run began", async (_, data) => {
  await begun();
  const error = await refusal({ resume: true, train: arrayBatches(data, { batchSize: 6, shuffle: true, seed: 3 }) });
  expect(error.code).toBe("CHECKPOINT_MISMATCH");
  expect(error.message).toMatch(/data: 20 examples, \w+ in the checkpoint, 2[01] examples, \w+ here/);
  expect(error.hint).toContain("training data");
  await goesOn();
});

it("a second process on the run of one that lives", async () => {
  const outputDir = folder.path;
  const first = start({ outputDir });
  await first.said(4);
  // Alive, and slow.
  first.child.kill("SIGSTOP");
  const second = await run({ outputDir });
  expect(second.lines).toHaveLength(1);
  expect(second.lines[0]!.error).toMatchObject({ code: "FOLDER_LOCKED", place: join(outputDir, "run.lock") });
  expect(second.lines[0]!.error!.message).toContain(`process ${first.child.pid}`);
  expect(first.child.exitCode).toBeNull();
  first.child.kill("SIGKILL");
  await first.ended;
});

it("two runs of one process on one folder", async () => {
  const running = new Trainer(new Mlp(), options()).run();
  await running.next();
  const { error } = await untilError(new Trainer(new Mlp(), options()));
  expect(error).toMatchObject({ code: "FOLDER_LOCKED" });
  await running.return();
  await begun({ resume: true });
});

it.each([
  ["a dead process", async () => ({ pid: 2 ** 22 + 1, started: "x" }), true],
  ["a dead process whose number another one has now", async () => ({ pid: process.pid, started: "before" }), true],
  ["a process of another machine", async () => ({ pid: 1, started: "x", host: "elsewhere" }), false],
] as const)("the lock of %s", async (_, owner, isTaken) => {
  const lock = join(folder.path, "run.lock");
  await writeFile(lock, JSON.stringify({ host: hostname(), ...(await owner()) }));
  if (isTaken) {
    await begun();
    expect(warnings).toEqual([expect.stringContaining("LOCK_TAKEN_OVER")]);
    return;
  }
  const { error } = await untilError(new Trainer(new Mlp(), options()));
  expect(error).toMatchObject({ code: "FOLDER_LOCKED", place: lock, hint: expect.stringContaining("delete the lock") });
  expect(warnings).toEqual([]);
});

it("a lock file that is no lock", async () => {
  await writeFile(join(folder.path, "run.lock"), "{");
  const { error } = await untilError(new Trainer(new Mlp(), options()));
  expect(error).toMatchObject({ code: "FOLDER_LOCKED", hint: expect.stringContaining("delete the lock") });
});

it.each([
  ["cut off at its end", '{"time":"2026-', 1],
  ["of other text", "Killed\n", 1],
  ["of JSON that is no event", '{"type":"step","step":"1"}\nnull\n{"type":"other","step":1}\n', 3],
  ["with bytes that are no text", Buffer.of(0xff, 0xfe, 0x0a), 1],
])("a log line %s", async (_, damage, count) => {
  await begun();
  const path = join(folder.path, "log.jsonl");
  const before = (await readFile(path, "utf8")).split("\n").length;
  await appendFile(path, damage);
  await goesOn();
  const { events, damaged } = await readRunLog(folder.path);
  expect(damaged.map(({ code, place }) => [code, place])).toEqual(
    Array.from({ length: count }, (_, i) => ["LOG_INVALID", `${path}, line ${before + i}`]),
  );
  const steps = events.flatMap((event) => (event.type === "step" ? [event.step] : []));
  expect(steps).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});

it.each([
  ["tensors cut off", (checkpoint: string) => truncate(join(checkpoint, "training.safetensors"), 600)],
  ["no tensors", (checkpoint: string) => truncate(join(checkpoint, "training.safetensors"), 0)],
  ["a state cut off", (checkpoint: string) => truncate(join(checkpoint, "trainer_state.json"), 100)],
  ["no state", (checkpoint: string) => truncate(join(checkpoint, "trainer_state.json"), 0)],
])("a damaged checkpoint with %s: the one before it goes on", async (_, damage) => {
  await begun({ keep: 2 });
  const last = join(folder.path, "checkpoint-last");
  await damage(last);
  const error = await refusal({ resume: true });
  expect(error).toMatchObject({ code: "CHECKPOINT_INVALID", hint: expect.stringContaining("another checkpoint") });
  const before = (await readdir(folder.path)).find((name) => /^checkpoint-\d+$/.test(name))!;
  const [model, alone] = [new Mlp({ seed: 9 }), new Mlp()];
  await all(new Trainer(model, options({ resume: join(folder.path, before) })));
  await all(new Trainer(alone, options({ outputDir: undefined, saveEvery: undefined })));
  expect(await numbersOf(model.parameters())).toEqual(await numbersOf(alone.parameters()));
});

it("a checkpoint folder without its files", async () => {
  await begun();
  const { error } = await untilError(
    new Trainer(new Mlp(), options({ outputDir: undefined, resume: join(folder.path, "none") })),
  );
  expect(error).toMatchObject({ code: "FILE_MISSING", place: join(folder.path, "none") });
});

it("an abort", async () => {
  const controller = new AbortController();
  const { error, events } = await untilError(
    new Trainer(new Mlp(), options({ saveEvery: undefined })),
    (event) => event.type === "step" && event.step === 3 && controller.abort(),
    controller.signal,
  );
  expect(error).toMatchObject({ name: "AbortError" });
  expect(events.at(-1)).toMatchObject({ type: "checkpoint", step: 3 });
  await goesOn();
});

it("a checkpoint that was copied away while the run went on is whole", async () => {
  const [outputDir, copies] = [folder.path, join(folder.path, "copies")];
  for await (const event of new Trainer(new Mlp(), options()).run()) {
    if (event.type === "checkpoint")
      await cp(join(outputDir, "checkpoint-last"), join(copies, `${event.step}`), { recursive: true });
  }
  for (const step of await readdir(copies)) {
    const [first] = await all(new Trainer(new Mlp(), options({ outputDir: undefined, resume: join(copies, step) })));
    expect(first).toMatchObject({ step: Number(step) });
  }
});
