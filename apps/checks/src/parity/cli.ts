// `pnpm parity [--json] [--python]`: every host and method against the fixtures of the original implementations; with
// --python, adapters that this library writes, as Python's PEFT reads them.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { formatParity } from "./format.js";
import type { Row } from "./rows.js";
import { suites } from "./suites.js";
import { writtenRows } from "./written.js";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const fixtures = join(root, "fixtures");

const program = new Command("parity")
  .description("Compares hosts and methods, value by value, with the original implementations.")
  .option("--json", "print one JSON document instead of a table")
  .option("--python", "compare what Python's PEFT makes of adapters that this library wrote, and nothing else")
  .parse();
const { json, python } = program.opts<{ json?: true; python?: true }>();

const rows: Row[] = [];
if (python) rows.push(...(await writtenRows(root)));
else for (const suite of suites) rows.push(...(await suite(fixtures)));
// JSON has no Infinity: an error that is not finite is written as null and is never ok.
console.log(json ? JSON.stringify({ rows }) : formatParity(rows));
process.exitCode = rows.every((row) => row.ok) ? 0 : 1;
