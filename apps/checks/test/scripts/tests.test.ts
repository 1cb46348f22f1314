import { join } from "node:path";
import { describe, expect, it } from "vitest";

interface Count {
  passed: number;
  failed: number;
  skips: string[];
}
// The root scripts are plain JavaScript, so that they run before anything is installed.
const { countTests, summaryLines } = (await import(join(import.meta.dirname, "../../../../scripts/tests.mjs"))) as {
  countTests: (reports: object[]) => Count;
  summaryLines: (count: Count) => string[];
};

const test = (status: string, fullName = "a test") => ({ status, fullName });

describe("the last line of npm test", () => {
  it("adds up reports and lists the skipped with the reason in their names", () => {
    const reports = [
      {
        testResults: [
          {
            status: "passed",
            assertionResults: [test("passed"), test("skipped", " reads cifar10 (PEFT_DATA is not set)")],
          },
        ],
      },
      {
        testResults: [{ status: "failed", assertionResults: [test("failed"), test("passed"), test("todo", "later")] }],
      },
    ];
    const count = countTests(reports);
    expect(summaryLines(count)).toEqual([
      "skipped: reads cifar10 (PEFT_DATA is not set)",
      "skipped: later",
      "2 passed, 1 failed, 2 skipped",
    ]);
  });

  it("counts a suite that could not be loaded as a failure", () => {
    const count = countTests([{ testResults: [{ status: "failed", assertionResults: [] }] }]);
    expect(count).toEqual({ passed: 0, failed: 1, skips: [] });
  });
});
