// Reading vitest's JSON reports: what passed, failed and was skipped, and why.

/**
 * Adds up reports. A suite that could not be loaded has no tests in its report and counts as one failure.
 * @param {object[]} reports parsed JSON reports
 * @returns {{ passed: number, failed: number, skips: string[] }} `skips` holds the full name, reason included, of each
 */
export function countTests(reports) {
  const count = { passed: 0, failed: 0, skips: [] };
  for (const file of reports.flatMap((report) => report.testResults)) {
    const tests = file.assertionResults;
    for (const test of tests) {
      if (test.status === "passed") count.passed++;
      else if (test.status === "failed") count.failed++;
      else count.skips.push(test.fullName.trim());
    }
    if (file.status === "failed" && !tests.some((test) => test.status === "failed")) count.failed++;
  }
  return count;
}

/** The skipped, one a line, and the line that ends a run. */
export function summaryLines({ passed, failed, skips }) {
  return [...skips.map((name) => `skipped: ${name}`), `${passed} passed, ${failed} failed, ${skips.length} skipped`];
}
