// What a command of `peft` is: its options, and what it does.

import { type ParseArgsConfig, parseArgs } from "node:util";

export interface Command {
  /** One line for the list of commands. */
  readonly summary: string;
  /** The help's text: usage and options. */
  readonly usage: string;
  /** Runs it and gives what is to be printed. */
  run(args: readonly string[]): Promise<string>;
}

/** A command that was called in a way that it does not know. */
export class UsageError extends Error {}

export interface Parsed {
  readonly values: Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
  readonly positionals: readonly string[];
}

/** @throws UsageError for an option that is unknown or lacks its value */
export function parse(args: readonly string[], options: ParseArgsConfig["options"], positionals = 0): Parsed {
  try {
    const parsed = parseArgs({ args: [...args], options, allowPositionals: positionals > 0 });
    if (parsed.positionals.length > positionals)
      throw new Error(`"${parsed.positionals[positionals]}" is one too many`);
    return parsed as unknown as Parsed;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** The value of an option that must be given. @throws UsageError */
export function required({ values }: Parsed, name: string): string {
  const value = values[name];
  if (typeof value === "string") return value;
  throw new UsageError(`--${name} is missing`);
}

/** Rows in columns, two blanks apart. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
