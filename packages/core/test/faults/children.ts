// Processes that train, and what they say.

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

const PROGRAM = "tinyRun.mjs";

export interface TinyRunSettings {
  readonly outputDir: string;
  readonly engine?: "compiled" | "eager";
  readonly death?: { readonly name: string; readonly step: number };
  readonly epochs?: number;
}

export interface Ended {
  readonly signal: NodeJS.Signals | null;
  readonly code: number | null;
  readonly lines: readonly { type?: string; step?: number; error?: Record<string, string> }[];
  readonly warnings: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Until it has said so many lines. */
  said(lines: number): Promise<void>;
}

/** @param through a shell's words that are to run the program, which takes the place of "$@" */
export function start(settings: TinyRunSettings, through?: string): Started {
  return startProgram(PROGRAM, [JSON.stringify(settings)], through);
}

function startProgram(name: string, parameters: readonly string[], through?: string): Started {
  const command = [process.execPath, join(import.meta.dirname, name), ...parameters];
  const [program, ...args] = through === undefined ? command : ["sh", "-c", through, "sh", ...command];
  const child = spawn(program!, args, { stdio: ["ignore", "pipe", "pipe"] });
  const lines: Ended["lines"][number][] = [];
  let warnings = "";
  let waiting: (() => void)[] = [];
  createInterface(child.stdout!).on("line", (line) => {
    lines.push(JSON.parse(line));
    for (const wake of waiting) wake();
  });
  child.stderr!.on("data", (text) => {
    warnings += text;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      for (const wake of waiting) wake();
      resolve({ signal, code, lines, warnings });
    });
  });
  const said = async (count: number) => {
    while (lines.length < count && child.exitCode === null && child.signalCode === null) {
      await new Promise<void>((resolve) => {
        waiting = [...waiting, resolve];
      });
    }
  };
  return { child, ended, said };
}

/** Runs to the end. */
export function run(settings: TinyRunSettings, through?: string): Promise<Ended> {
  return start(settings, through).ended;
}

/** Runs another program of this folder to its end. */
export function runProgram(name: string, parameters: readonly string[]): Promise<Ended> {
  return startProgram(name, parameters).ended;
}
