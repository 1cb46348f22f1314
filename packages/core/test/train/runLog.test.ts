import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { env } from "../../src/index.js";
import { readRunLog, type TrainingEvent } from "../../src/train/index.js";
import { openRunLog } from "../../src/train/runLog.js";
import { temporaryFolder } from "./support.js";

const folder = temporaryFolder();
const { warn } = env;
afterEach(() => {
  env.warn = warn;
});

const start = (step: number): TrainingEvent => ({ type: "start", step, epoch: 0, totalSteps: 9 });
const epoch = (step: number): TrainingEvent => ({ type: "epoch", step, epoch: 0 });

async function write(...events: TrainingEvent[]): Promise<void> {
  const log = await openRunLog(folder.path);
  for (const event of events) await log.onEvent(event);
  await log.onEnd();
}

it("what is written is read again, with its times", async () => {
  const before = Date.now();
  await write(start(0), epoch(3));
  const { events, damaged } = await readRunLog(folder.path);
  expect(events.map(({ time: _, ...event }) => event)).toEqual([start(0), epoch(3)]);
  for (const { time } of events) expect(Date.parse(time)).toBeGreaterThanOrEqual(before);
  expect(damaged).toEqual([]);
});

it("what was done again after a checkpoint is told once", async () => {
  await write(start(0), epoch(2), epoch(4));
  await write(start(2), epoch(4), epoch(6));
  const { events } = await readRunLog(folder.path);
  expect(events.map(({ type, step }) => `${type} ${step}`)).toEqual([
    "start 0",
    "epoch 2",
    "start 2",
    "epoch 4",
    "epoch 6",
  ]);
});

it("a line that is not whole is ended before the next one begins, and said", async () => {
  const warnings: string[] = [];
  env.warn = ({ code }) => void warnings.push(code);
  await write(start(0));
  await appendFile(join(folder.path, "log.jsonl"), '{"ti');
  await write(epoch(1));
  expect(warnings).toEqual(["LOG_DAMAGED"]);
  const lines = (await readFile(join(folder.path, "log.jsonl"), "utf8")).split("\n");
  expect(lines[1]).toBe('{"ti');
  expect(JSON.parse(lines[2]!)).toMatchObject(epoch(1));
  await write(epoch(2));
  expect(warnings).toEqual(["LOG_DAMAGED"]);
});

it("a folder without a log is an error that names it, and an empty log an empty history", async () => {
  await expect(readRunLog(folder.path)).rejects.toMatchObject({ code: "FILE_MISSING" });
  await writeFile(join(folder.path, "log.jsonl"), "");
  expect(await readRunLog(folder.path)).toEqual({ events: [], damaged: [] });
});
