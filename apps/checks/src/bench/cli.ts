// `pnpm bench SUITE [--json] [--only ROW] [--pairs N]`: a suite's rows against PyTorch on this machine, in this run.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { processorLine } from "@peft/machine";
import { Command, InvalidArgumentError } from "commander";
import { RandomCheckpoints } from "./checkpoint.js";
import { foresee, formatForeseen } from "./foreseen.js";
import { formatBench, type ResultRow, resultRow } from "./format.js";
import { alternate, LEAST_PAIRS } from "./pairs.js";
import { oursCommand, torchCommand } from "./sides.js";
import { suites, trainingRows } from "./suites.js";

interface Options {
  json?: true;
  only?: string;
  pairs: number;
}

// This file is built into apps/checks/dist.
const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");

/** The suite that compares no times, but our estimates with what was taken. */
const MEMORY = "memory";

const program = new Command("bench")
  .description("Times a suite's rows against PyTorch, alternating, and prints the ratio of the lower quartiles.")
  .argument("<suite>", "the suite's name")
  .option("--json", "print one JSON document instead of a table")
  .option("--only <row>", "run this row only")
  .option("--pairs <n>", `samples of each side, ${LEAST_PAIRS} for a figure to report`, positiveInteger, LEAST_PAIRS)
  .parse();

const checkpoints = new RandomCheckpoints();
process.on("exit", () => checkpoints.removeNow());
await bench(program.args[0]!, program.opts<Options>());

async function benchMemory(options: Options): Promise<void> {
  const known = trainingRows().map(({ name }) => name);
  const names = options.only === undefined ? known : known.filter((name) => name === options.only);
  if (names.length === 0) {
    return program.error(`error: no row "${options.only}" in ${MEMORY}; there are: ${list(known)}`);
  }
  const processor = processorLine();
  const rows = [];
  for (const name of names) {
    console.error(name);
    rows.push(await foresee(name, oursCommand(root, "engine", [name])));
  }
  if (rows.some(({ ok }) => !ok)) process.exitCode = 1;
  console.log(options.json ? JSON.stringify({ processor, rows }) : formatForeseen(processor, rows));
}

async function bench(suite: string, options: Options): Promise<void> {
  if (suite === MEMORY) return benchMemory(options);
  const known = suites.get(suite);
  if (!known) return program.error(`error: no suite "${suite}"; there are: ${list([...suites.keys(), MEMORY])}`);
  const rows = options.only === undefined ? known : known.filter((row) => row.name === options.only);
  if (rows.length === 0) {
    return program.error(
      `error: no row "${options.only}" in ${suite}; there are: ${list(known.map((row) => row.name))}`,
    );
  }
  const processor = processorLine();
  console.error(`${processor}; ${options.pairs} pairs a row`);
  const notes = new Set<string>();
  if (options.pairs < LEAST_PAIRS) notes.add(`Fewer than ${LEAST_PAIRS} pairs: not a figure to report.`);
  const results: ResultRow[] = [];
  for (const row of rows) {
    const args = row.checkpoint ? ["--checkpoint", await checkpoints.folder(row.checkpoint)] : [];
    const torch = torchCommand(root, suite, [row.name, ...args]);
    if (typeof torch === "string") notes.add(torch);
    const ours = oursCommand(root, suite, [row.name, ...args]);
    const commands = { ours, torch: typeof torch === "string" ? null : torch };
    try {
      const samples = await alternate(row.kind, commands, options.pairs, (pair) => {
        console.error(`${row.name}: ${pair === 0 ? "warm" : `${pair} of ${options.pairs}`}`);
      });
      results.push(resultRow(row, samples, results));
    } catch (error) {
      // The other rows took minutes to measure and are worth having.
      notes.add(`${row.name} failed: ${error instanceof Error ? error.message : error}`);
      process.exitCode = 1;
    }
  }
  const document = { processor, rows: results };
  if (options.json) for (const note of notes) console.error(note);
  console.log(options.json ? JSON.stringify(document) : formatBench(document, [...notes]));
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError("It must be a whole number of at least 1.");
  return value;
}

function list(names: Iterable<string>): string {
  return [...names].join(", ") || "none yet";
}
