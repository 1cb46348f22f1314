// `npm test`: every suite of the workspace, from a fresh clone with Node and npm alone. `--filter PACKAGE` runs
// one package's; other arguments go to vitest.
import { countTests, summaryLines } from "./tests.mjs";
import { runVitest } from "./vitest.mjs";
import { build, install, requireNode, runForeground } from "./workspace.mjs";

requireNode();
await install();
await build();
const args = process.argv.slice(2).map((argument) => (argument === "--filter" ? "--project" : argument));
const { result: code, reports } = await runVitest("tests", ["--reporter=default", ...args], runForeground);
const count = countTests(reports);
const ran = count.passed + count.failed > 0;
if (!ran) console.log("No test ran.");
// An error outside every test, or an interrupt.
else if (code !== 0 && count.failed === 0) count.failed = 1;
for (const line of summaryLines(count)) console.log(line);
process.exitCode = ran && count.failed === 0 ? 0 : code || 1;
