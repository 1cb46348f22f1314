// `pnpm conformance [--road ROAD] [--only OP] [--json]`: every op and kernel on every road that is there.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ROADS, type Road } from "@peft/core/testing";
import { conformanceChecks, type Row } from "@peft/core/testing/conformance";
import { Command, Option } from "commander";
import { type Conformance, formatConformance } from "./format.js";
import { runRoad } from "./run.js";

interface Options {
  road?: Road;
  only?: string;
  json?: true;
}

const here = dirname(fileURLToPath(import.meta.url));
const fixtures = join(here, "../../../fixtures");

const program = new Command("conformance")
  .description("Measures every op and kernel on the roads that compiled functions can take.")
  .addOption(new Option("--road <road>", "this road only").choices([...ROADS]))
  .option("--only <op>", "this op or kernel only, with what is special about it")
  .option("--json", "print one JSON document instead of a table")
  .parse();

const { road, only, json } = program.opts<Options>();
const names = conformanceChecks(fixtures).map(({ op }) => op);
const ops = only === undefined ? names : names.filter((op) => op === only || op.startsWith(`${only},`));
if (ops.length === 0) program.error(`no op is called "${only}"; there are: ${names.join("; ")}`);

const roads = road ? [road] : [...ROADS];
const rows: Row[] = [];
const skipped: { road: Road; reason: string }[] = [];
for (const each of roads) {
  const result = await runRoad(each, ops, [process.execPath, join(here, "conformanceProgram.js")], fixtures);
  rows.push(...result.rows);
  if (result.skipped !== undefined) skipped.push({ road: each, reason: result.skipped });
}
const report: Conformance = { roads, rows, skipped };
console.log(json ? JSON.stringify(report) : formatConformance(report));
process.exitCode = rows.length > 0 && rows.every((row) => row.ok) ? 0 : 1;
