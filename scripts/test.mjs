// `npm test`: every suite of the workspace, from a fresh clone with Node and npm alone. `--filter PACKAGE` runs
// one package's; other arguments go to vitest.
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { countTests, summaryLines } from "./tests.mjs";
import { build, install, requireNode, root, runForeground } from "./workspace.mjs";

const report = join(root, ".reports", "tests.json");

requireNode();
await install();
await build();
mkdirSync(join(root, ".reports"), { recursive: true });
rmSync(report, { force: true });

// Not through pnpm: a Ctrl-C must reach vitest itself.
const vitest = [join(root, "node_modules/vitest/vitest.mjs"), "run"];
const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
const args = process.argv.slice(2).map((argument) => (argument === "--filter" ? "--project" : argument));
const code = await runForeground([process.execPath, [...vitest, ...reporters, ...args]]);
const reports = existsSync(report) ? [JSON.parse(readFileSync(report, "utf8"))] : [];
const count = countTests(reports);
const ran = count.passed + count.failed > 0;
if (!ran) console.log("No test ran.");
// An error outside every test, or an interrupt.
else if (code !== 0 && count.failed === 0) count.failed = 1;
for (const line of summaryLines(count)) console.log(line);
process.exitCode = ran && count.failed === 0 ? 0 : code || 1;
