// A process that trains is killed; the next one goes on, and ends with the same bits as one that was left alone.

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it as base, beforeAll, describe, expect } from "vitest";
import { readRunLog } from "../../src/train/index.js";
import { type Ended, run, runProgram, start, type TinyRunSettings } from "./children.js";

const STEPS = 9;
/** Each test has a folder of its own: they run at the same time, since they mostly wait for the disk. */
const it = base.extend<{ folder: string }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the pattern
  folder: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), "peft-kill-"));
    await use(folder);
    await rm(folder, { recursive: true, force: true });
  },
});

/** What a run that is left alone ends with, by engine. */
const undisturbed = new Map<string, Record<string, Buffer>>();

async function finalFiles(outputDir: string): Promise<Record<string, Buffer>> {
  const files: Record<string, Buffer> = {};
  for (const checkpoint of ["checkpoint-last", "checkpoint-best"]) {
    for (const file of ["training.safetensors", "trainer_state.json"]) {
      files[`${checkpoint}/${file}`] = await readFile(join(outputDir, checkpoint, file));
    }
  }
  return files;
}

/** Goes on in a new process and compares the end with that of a run that was left alone. */
async function goesOn(settings: TinyRunSettings): Promise<Ended> {
  const { death, ...rest } = settings;
  const ended = await run(rest);
  expect(ended.lines.at(-1)).toEqual({ type: "done", step: STEPS });
  const found = await finalFiles(settings.outputDir);
  for (const [name, bytes] of Object.entries(undisturbed.get(settings.engine ?? "eager")!)) {
    expect(found[name]!.equals(bytes), name).toBe(true);
  }
  expect((await readdir(settings.outputDir)).sort()).toEqual([
    "checkpoint-8",
    "checkpoint-best",
    "checkpoint-last",
    "log.jsonl",
  ]);
  const { events } = await readRunLog(settings.outputDir);
  const steps = events.flatMap((event) => (event.type === "step" ? [event.step] : []));
  expect(steps).toEqual(Array.from({ length: STEPS }, (_, i) => i + 1));
  return ended;
}

beforeAll(async () => {
  for (const engine of ["eager", "compiled"] as const) {
    const outputDir = await mkdtemp(join(tmpdir(), "peft-undisturbed-"));
    await run({ outputDir, engine });
    undisturbed.set(engine, await finalFiles(outputDir));
    await rm(outputDir, { recursive: true });
  }
});

describe.concurrent("kill -9", () => {
  it.for([
    ["after step", 2, "eager"],
    ["after step", 6, "compiled"],
    ["in the tensors", 1, "eager"],
    ["in the tensors", 4, "compiled"],
    ["before the state", 5, "eager"],
    ["between the renamings", 3, "eager"],
    ["between the renamings", 6, "compiled"],
    ["before the retirement", 7, "eager"],
    ["in the log", 4, "eager"],
  ] as const)(
    "%s, %i done, %s: the next process loses nothing but the work since the last checkpoint",
    async ([name, step, engine], { folder }) => {
      const settings = { outputDir: folder, engine, death: { name, step } };
      const killed = await run(settings);
      expect(killed.signal).toBe("SIGKILL");
      expect(killed.lines.filter(({ type }) => type === "step").at(-1)!.step).toBe(step);
      const { lines, warnings } = await goesOn(settings);
      // Every step wrote a checkpoint: at most the one at work is lost.
      expect(lines[0]!.step).toBeGreaterThanOrEqual(step - 1);
      expect(warnings).toContain("LOCK_TAKEN_OVER");
      if (name === "in the log") expect(warnings).toContain("LOG_DAMAGED");
    },
  );

  it.for([3, 8, 15])(
    "at whatever moment, here after %i lines: the run ends with the same bits",
    async (count, { folder }) => {
      const { child, ended, said } = start({ outputDir: folder });
      await said(count);
      child.kill("SIGKILL");
      expect((await ended).signal).toBe("SIGKILL");
      await goesOn({ outputDir: folder });
    },
  );

  it("again and again: each process gets a little further", async ({ folder }) => {
    for (const step of [2, 3, 5, 8]) {
      const killed = await run({ outputDir: folder, death: { name: "in the tensors", step } });
      expect(killed.signal).toBe("SIGKILL");
    }
    await goesOn({ outputDir: folder });
  });

  it("before any operation on files, each in its turn: the run ends with the same bits", async ({ folder }) => {
    const { lines } = await runProgram("everyOperation.mjs", [folder]);
    const found = lines as unknown as { operations: number; differing: unknown[] }[];
    expect(found.at(-1)!.differing).toEqual([]);
    expect(found.at(-1)!.operations).toBeGreaterThan(40);
  });
});
