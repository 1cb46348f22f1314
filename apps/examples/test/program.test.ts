import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { repeatCommand, resumeCommand } from "../src/command.js";
import { listenForInterrupt } from "../src/interrupt.js";
import type { MosaOptions } from "../src/mosa/options.js";
import { beginRun, planRun, reopenRun } from "../src/mosa/runFolder.js";
import type { PretrainOptions } from "../src/pretrain/index.js";
import { createProgram } from "../src/program.js";
import type { ResultsOptions } from "../src/results/index.js";

async function parse(...args: string[]): Promise<MosaOptions> {
  let parsed: MosaOptions | undefined;
  const program = createProgram({
    mosa: async (options) => {
      parsed = options;
    },
    pretrain: async () => {},
    results: async () => {},
  });
  for (const command of [program, ...program.commands]) command.exitOverride().configureOutput({ writeErr: () => {} });
  await program.parseAsync(args, { from: "user" });
  return parsed!;
}

const defaults: MosaOptions = { perClass: 100, seeds: 1, engine: "compiled", json: false };

async function parseResults(...args: string[]): Promise<ResultsOptions> {
  let parsed: ResultsOptions | undefined;
  const program = createProgram({
    mosa: async () => {},
    pretrain: async () => {},
    results: async (options) => {
      parsed = options;
    },
  });
  const [results] = program.commands.filter((command) => command.name() === "results");
  for (const command of results!.commands) command.exitOverride().configureOutput({ writeErr: () => {} });
  await program.parseAsync(["results", "mosa", ...args], { from: "user" });
  return parsed!;
}

describe("the command line of the results", () => {
  it("prints what is stored, unless it is told to make runs", async () => {
    expect(await parseResults()).toEqual({ rerun: false, json: false });
    const args = "--rerun --data d --out o --only mosa-32-[0-2] --json".split(" ");
    expect(await parseResults(...args)).toEqual({
      rerun: true,
      data: "d",
      out: "o",
      only: /mosa-32-[0-2]/,
      json: true,
    });
  });

  it("refuses a pattern that is no regular expression", async () => {
    await expect(parseResults("--rerun", "--only", "(")).rejects.toThrow(/regular expression/);
  });
});

describe("the command line of the MoSA example", () => {
  it("has the defaults of a run on the shipped pictures", async () => {
    expect(await parse("mosa")).toEqual(defaults);
  });

  it("takes every option", async () => {
    const args = "mosa --data d --per-class 20 --epochs 3 --seeds 2 --engine compiled:webgpu --out o --json".split(" ");
    expect(await parse(...args)).toEqual({
      data: "d",
      perClass: 20,
      epochs: 3,
      seeds: 2,
      engine: "compiled:webgpu",
      out: "o",
      json: true,
    });
    expect(await parse("mosa", "--resume", "runs/x", "--json")).toEqual({ ...defaults, resume: "runs/x", json: true });
  });

  it.each([
    ["--seeds", "0"],
    ["--epochs", "2.5"],
    ["--per-class", "-1"],
    ["--per-class", "1e3"],
    ["--engine", "cuda"],
    ["--unknown"],
  ])("refuses %s %s", async (...args) => {
    await expect(parse("mosa", ...args)).rejects.toThrow(/error: /);
  });

  it.each([
    ["--data", "d"],
    ["--per-class", "100"],
    ["--epochs", "3"],
    ["--seeds", "1"],
    ["--engine", "compiled"],
    ["--out", "o"],
  ])("refuses %s beside --resume, which keeps the options of the run", async (option, value) => {
    const parsing = parse("mosa", "--resume", "runs/x", option, value);
    await expect(parsing).rejects.toThrow(new RegExp(`'--resume <dir>' cannot be used with option '${option} `));
  });

  it("is written back as the command that repeats the run", async () => {
    const options = fc.record(
      {
        data: fc.string({ minLength: 1 }).filter((text) => !text.startsWith("-")),
        perClass: fc.integer({ min: 1, max: 1000 }),
        epochs: fc.integer({ min: 1, max: 50 }),
        seeds: fc.integer({ min: 1, max: 9 }),
        engine: fc.constantFrom("compiled", "compiled:webgpu", "eager"),
        json: fc.boolean(),
      },
      { requiredKeys: ["perClass", "seeds", "engine", "json"] },
    );
    await fc.assert(
      fc.asyncProperty(options, async (given) => {
        const words = shellWords(repeatCommand("mosa", given));
        expect(words.slice(0, 3)).toEqual(["pnpm", "example", "mosa"]);
        expect(await parse(...words.slice(2))).toEqual(given);
      }),
    );
    expect(resumeCommand("mosa", "runs/my run")).toBe("pnpm example mosa --resume 'runs/my run'");
  });
});

describe("the command line of the pretraining", () => {
  it("goes on with an interrupted one by its own command with --resume", async () => {
    const given: PretrainOptions = { data: "d", epochs: 3, share: 0.1, out: "runs/x", resume: true };
    let parsed: PretrainOptions | undefined;
    const program = createProgram({
      mosa: async () => {},
      pretrain: async (options) => {
        parsed = options;
      },
      results: async () => {},
    });
    const [, , ...words] = shellWords(repeatCommand("pretrain", given));
    await program.parseAsync(words, { from: "user" });
    expect(parsed).toEqual(given);
  });
});

// POSIX quoting, as far as repeatCommand uses it: bare words, '…' and \'.
function shellWords(line: string): string[] {
  return [...line.matchAll(/(?:'[^']*'|\\'|[^\s'\\])+/g)].map(([word]) =>
    word.replace(/'([^']*)'|\\(')/g, (_, quoted, one) => quoted ?? one),
  );
}

describe("a run folder", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "run-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("begins with the options and the command that repeats the run, and can be gone on with", async () => {
    const options = { ...defaults, engine: "eager", out: join(folder, "a/b") } as const;
    const run = planRun(options);
    expect(existsSync(join(folder, "a"))).toBe(false);
    await beginRun(run);
    expect(run).toMatchObject({ path: options.out, command: repeatCommand("mosa", options) });
    expect(JSON.parse(readFileSync(join(options.out, "config.json"), "utf8"))).toMatchObject({
      example: "mosa",
      command: run.command,
    });
    const again = await reopenRun(options.out, false);
    expect(again).toMatchObject({ path: options.out, command: run.command, started: run.started });
    expect(again.options).toMatchObject({ engine: "eager", seeds: 1 });
  });

  it("of something else is refused", async () => {
    writeFileSync(join(folder, "config.json"), '{"example": "other"}');
    await expect(reopenRun(folder, false)).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });

  it("that cannot be written is a coded error", async () => {
    writeFileSync(join(folder, "file"), "");
    const run = planRun({ ...defaults, engine: "eager", out: join(folder, "file/run") });
    await expect(beginRun(run)).rejects.toMatchObject({ code: "FILE_UNWRITABLE" });
  });
});

describe("an interrupt", () => {
  it("aborts once, ignores its echo, and ends the process when it is meant", () => {
    const told: string[] = [];
    let time = 0;
    const interrupt = listenForInterrupt({
      onInterrupt: () => told.push("stopping"),
      exit: (code) => told.push(`exit ${code}`),
      now: () => time,
    });
    process.emit("SIGINT");
    expect(interrupt.signal.aborted).toBe(true);
    time = 300;
    process.emit("SIGINT");
    expect(told).toEqual(["stopping"]);
    time = 1500;
    process.emit("SIGINT");
    expect(told).toEqual(["stopping", "exit 130"]);
    interrupt.release();
    expect(process.listenerCount("SIGINT")).toBe(0);
  });
});
