import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "tsup";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Side, type SideCommand } from "../../src/bench/child.js";

let folder: string;
let command: SideCommand;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "served-"));
  await build({
    entry: [join(import.meta.dirname, "served.ts")],
    outDir: folder,
    format: "esm",
    outExtension: () => ({ js: ".mjs" }),
    target: "es2022",
    config: false,
    silent: true,
    noExternal: ["@peft/machine"],
  });
  command = { command: process.execPath, args: [join(folder, "served.mjs")] };
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("a side made with serve", () => {
  it("says ready, steps on request, and ends with its peak memory", async () => {
    const side = await Side.start(command);
    expect(side.ready.load_s).toBeGreaterThan(0);
    expect(side.ready.first_step_s).toBeLessThan(1);
    expect(await side.step()).toBeLessThan(1);
    // 20 MB of numbers and a Node process.
    expect(await side.quit()).toBeGreaterThan(40);
  });

  it("dies with the error of its step", async () => {
    const side = await Side.start(command);
    await side.step();
    await side.step();
    await expect(side.step()).rejects.toThrow("the fourth step of 5000000 numbers");
  });
});
