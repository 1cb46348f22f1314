// `pnpm test:faults`: what can go wrong around a training run, one line a fault, and one that adds up.
import { countTests, summaryLines } from "./tests.mjs";
import { runVitest } from "./vitest.mjs";
import { build, install, requireNode, runQuietly } from "./workspace.mjs";

requireNode();
await install();
await build(["@peft/core..."]);
const { result, reports } = await runVitest("faults", ["--project", "@peft/core", "test/faults"], runQuietly);
const { code, output } = result;
const tests = reports.flatMap(({ testResults }) => testResults.flatMap(({ assertionResults }) => assertionResults));
for (const { status, fullName, failureMessages } of tests) {
  const word = status === "passed" ? "ok     " : status === "failed" ? "FAILED " : "skipped";
  console.log(`${word} ${fullName.trim()}`);
  for (const message of failureMessages ?? []) console.log(message);
}
const count = countTests(reports);
// An error outside every test.
if (code !== 0 && count.failed === 0) {
  console.log(output);
  count.failed = 1;
}
// The skipped have had their lines.
console.log(summaryLines(count).at(-1));
process.exitCode = count.failed > 0 || count.passed === 0 ? 1 : 0;
