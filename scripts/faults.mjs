// `pnpm test:faults`: what can go wrong around a training run, one line a fault, and one that adds up.
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { countTests, summaryLines } from "./tests.mjs";
import { build, install, requireNode, root, runQuietly } from "./workspace.mjs";

const report = join(root, ".reports", "faults.json");

requireNode();
await install();
await build(["@peft/core..."]);
mkdirSync(join(root, ".reports"), { recursive: true });
rmSync(report, { force: true });

const vitest = [join(root, "node_modules/vitest/vitest.mjs"), "run", "--project", "@peft/core", "test/faults"];
const { code, output } = await runQuietly([
  process.execPath,
  [...vitest, "--reporter=json", `--outputFile.json=${report}`],
]);
const reports = existsSync(report) ? [JSON.parse(readFileSync(report, "utf8"))] : [];
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
