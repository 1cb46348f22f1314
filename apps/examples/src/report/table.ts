// The table that ends a run at the terminal: the methods, best first to the eye by an even layout, not by sorting.
import { styleText } from "node:util";
import type { MethodSummary } from "./summary.js";

export interface TableOptions {
  /** Escape codes for bold and colour; off where the output is not a terminal. */
  color?: boolean;
}

/** Columns: method, accuracy on the test pictures in percent (mean ± deviation), parameters, steps a second. */
export function formatTable(methods: readonly MethodSummary[], { color = false }: TableOptions = {}): string {
  const header = ["method", "accuracy", "trained", "deployed", "steps/s"];
  const rows = methods.map((method) => [
    method.name,
    formatAccuracy(method),
    method.parametersTrained.toLocaleString("en-US"),
    method.parametersDeployed.toLocaleString("en-US"),
    formatRate(method.stepsPerSecond),
  ]);
  const [first, ...others] = layOut([header, ...rows]);
  const best = Math.max(...methods.map((method) => method.mean));
  // The caller decides about colour: styleText's own check looks at a stream that may not be the one written to.
  const style = (format: "bold" | "dim" | "green", line: string) =>
    color ? styleText(format, line, { validateStream: false }) : line;
  return [
    style("bold", first!),
    style("dim", "─".repeat(first!.length)),
    ...others.map((line, i) => (methods[i]!.mean === best ? style("green", line) : line)),
  ].join("\n");
}

/** Rows of cells as lines of equal columns: the first flush left, the others flush right. */
export function layOut(rows: readonly (readonly string[])[], indent = ""): string[] {
  const wide = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => {
    const cells = row.map((cell, column) => (column === 0 ? cell.padEnd(wide[column]!) : cell.padStart(wide[column]!)));
    return `${indent}${cells.join("   ")}`;
  });
}

/** `87.2 ± 0.9 %`, or `87.2 %` of one seed. */
export function formatAccuracy({ mean, deviation }: Pick<MethodSummary, "mean" | "deviation">): string {
  const percent = (value: number) => (value * 100).toFixed(1);
  return deviation === null ? `${percent(mean)} %` : `${percent(mean)} ± ${percent(deviation)} %`;
}

function formatRate(rate: number): string {
  return rate >= 100 ? rate.toFixed(0) : rate >= 10 ? rate.toFixed(1) : rate.toFixed(2);
}
