import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { SideCommand } from "../../src/bench/child.js";
import { alternate } from "../../src/bench/pairs.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pairs-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  vi.unstubAllEnvs();
});

const fake = (name: string, settings: Record<string, string | number>): SideCommand => ({
  command: process.execPath,
  args: [
    join(import.meta.dirname, "fakes/side.mjs"),
    ...Object.entries({ name, log: join(folder, "log"), load: 2, first: 3, time: 1, peak: 500, ...settings }).map(
      ([key, value]) => `${key}=${value}`,
    ),
  ],
});
const log = () => readFileSync(join(folder, "log"), "utf8").trim().split("\n");

describe("the alternating runner", () => {
  it("asks ours and PyTorch in turn and leaves the warm-up out", async () => {
    const progress: number[] = [];
    const commands = { ours: fake("ours", { time: 0.5, peak: 300 }), torch: fake("torch", {}) };
    const samples = await alternate("step", commands, 3, (pair) => progress.push(pair));
    expect(samples).toEqual({
      ours: { times: [0.5, 0.5, 0.5], peaks: [300] },
      torch: { times: [1, 1, 1], peaks: [500] },
    });
    expect(progress).toEqual([0, 1, 2, 3]);
    expect(log().filter((line) => line.endsWith("step"))).toEqual(
      Array.from({ length: 4 }, () => ["ours step", "torch step"]).flat(),
    );
  });

  it("starts a fresh process for every sample of a first call, of loading, and of both", async () => {
    const commands = { ours: fake("ours", {}), torch: fake("torch", { first: 4 }) };
    const first = await alternate("first", commands, 2);
    expect(first.ours).toEqual({ times: [3, 3], peaks: [500, 500] });
    expect(first.torch).toEqual({ times: [4, 4], peaks: [500, 500] });
    expect(log().filter((line) => line.endsWith("start"))).toHaveLength(6);
    const load = await alternate("load", { ours: fake("ours", {}), torch: null }, 2);
    expect(load).toEqual({ ours: { times: [2, 2], peaks: [500, 500] }, torch: null });
    const both = await alternate("both", { ours: fake("ours", {}), torch: null }, 2);
    expect(both).toEqual({ ours: { times: [5, 5], peaks: [500, 500] }, torch: null });
  });

  it("runs the sides with the system's default settings", async () => {
    vi.stubEnv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1");
    await alternate("load", { ours: fake("ours", {}), torch: null }, 1);
    expect(log()).toContain("ours tunables=undefined");
  });

  it("reports why a side died, and ends the other", async () => {
    const commands = { ours: fake("ours", {}), torch: fake("torch", { fail: "start" }) };
    await expect(alternate("step", commands, 3)).rejects.toThrow("No module named 'torch'");
    await expect(alternate("step", { ours: fake("ours", { fail: "step" }), torch: null }, 3)).rejects.toThrow(
      "exit code 3",
    );
  });

  it("reports a program that is not there", async () => {
    const commands = { ours: { command: join(folder, "no-such-python"), args: [] }, torch: null };
    await expect(alternate("step", commands, 1)).rejects.toThrow("ENOENT");
  });
});
