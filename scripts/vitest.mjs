// A run of vitest that leaves its JSON report in .reports/, for the scripts that count tests.
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { root } from "./workspace.mjs";

/**
 * Runs vitest in the workspace.
 *
 * @param name of the report
 * @param args vitest's
 * @param run `runForeground` or `runQuietly`
 * @returns what `run` resolves with, and the reports that were written: one, or none if vitest never got that far
 */
export async function runVitest(name, args, run) {
  const report = join(root, ".reports", `${name}.json`);
  mkdirSync(join(root, ".reports"), { recursive: true });
  rmSync(report, { force: true });
  // Not through pnpm: a Ctrl-C must reach vitest itself.
  const vitest = [join(root, "node_modules/vitest/vitest.mjs"), "run", "--reporter=json"];
  const result = await run([process.execPath, [...vitest, `--outputFile.json=${report}`, ...args]]);
  return { result, reports: existsSync(report) ? [JSON.parse(readFileSync(report, "utf8"))] : [] };
}
