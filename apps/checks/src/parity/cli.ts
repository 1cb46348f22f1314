// `pnpm parity [--json]`: every host and method against the fixtures of the original implementations.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { formatParity } from "./format.js";
import type { Row } from "./rows.js";
import { suites } from "./suites.js";

const fixtures = join(dirname(fileURLToPath(import.meta.url)), "../../../fixtures");

const program = new Command("parity")
  .description("Compares hosts and methods, value by value, with the original implementations.")
  .option("--json", "print one JSON document instead of a table")
  .parse();

const rows: Row[] = [];
for (const suite of suites) rows.push(...(await suite(fixtures)));
// JSON has no Infinity: an error that is not finite is written as null and is never ok.
console.log(program.opts<{ json?: true }>().json ? JSON.stringify({ rows }) : formatParity(rows));
process.exitCode = rows.every((row) => row.ok) ? 0 : 1;
