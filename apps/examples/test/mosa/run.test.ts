// The folder of a run: whose it is, and when it is made.

import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { runMosa } from "../../src/mosa/index.js";
import type { MosaOptions } from "../../src/mosa/options.js";
import { beginRun, planRun } from "../../src/mosa/runFolder.js";

// The built example finds them beside itself.
vi.mock("../../src/mosa/assets.js", async (original) => ({
  ...(await original<object>()),
  HOST_FOLDER: join(import.meta.dirname, "../../assets/vit-cifar6"),
}));

const defaults: MosaOptions = { perClass: 100, seeds: 1, engine: "compiled", json: false };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "run-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

it("A run in the folder of another is refused before anything is written", async () => {
  await beginRun(planRun({ ...defaults, seeds: 2, out: folder }));
  mkdirSync(join(folder, "methods/probe-0"), { recursive: true });
  writeFileSync(join(folder, "methods/probe-0/result.json"), "{}");
  const before = readdirSync(folder, { recursive: true });
  await expect(runMosa({ ...defaults, out: folder })).rejects.toMatchObject({ code: "RUN_EXISTS", place: folder });
  expect(readdirSync(folder, { recursive: true })).toEqual(before);
});

it("A run without pictures leaves no folder", async () => {
  const data = join(folder, "pictures");
  const run = runMosa({ ...defaults, data, out: join(folder, "run") });
  await expect(run).rejects.toMatchObject({ code: "FILE_MISSING", place: data });
  expect(readdirSync(folder)).toEqual([]);
});
