// A parity run as a table for people: tensors of one comparison are one line, with the worst of them; what misses its bound
// is named, tensor by tensor.
import type { Row } from "./rows.js";

interface Line {
  readonly name: string;
  readonly kind: string;
  readonly bound: number;
  readonly rows: Row[];
}

export function formatParity(rows: readonly Row[]): string {
  if (rows.length === 0) return "No parity row is defined yet.";
  const lines = linesOf(rows);
  const missed = rows.filter((row) => !row.ok);
  const compared = rows.filter((row) => row.skipped === undefined);
  return [
    ...table([
      ["", "kind", "rows", "worst", "bound", ""],
      ...lines.map(({ name, kind, bound, rows: own }) => {
        return [name, kind, String(own.length), digits(worst(own)), digits(bound, 0), verdict(own)];
      }),
    ]),
    "",
    ...missed.map((row) => `MISSED ${row.name}: ${digits(row.error)}, bound ${digits(row.bound, 0)}`),
    ...rows.flatMap((row) => (row.skipped === undefined ? [] : [`SKIPPED ${row.name}: ${row.skipped}`])),
    missed.length === 0
      ? `All ${compared.length} rows within their bounds.`
      : `${missed.length} of ${compared.length} rows missed their bounds.`,
    ...[...new Set(compared.map((row) => row.kind))].map((kind) => {
      const own = compared.filter((row) => row.kind === kind);
      return `  ${kind}: ${own.length} rows, worst ${digits(worst(own))}`;
    }),
  ].join("\n");
}

/** Rows of one comparison, in the order of their first. A name `subject / what / tensor` belongs to `subject / what`. */
function linesOf(rows: readonly Row[]): Line[] {
  const lines = new Map<string, Line>();
  for (const row of rows) {
    const { kind, bound } = row;
    const name = row.name.split(" / ").slice(0, 2).join(" / ");
    const key = JSON.stringify([name, kind, bound]);
    const line = lines.get(key) ?? { name, kind, bound, rows: [] };
    line.rows.push(row);
    lines.set(key, line);
  }
  return [...lines.values()];
}

function verdict(rows: readonly Row[]): string {
  if (rows.some((row) => !row.ok)) return "MISSED";
  return rows.every((row) => row.skipped !== undefined) ? "skipped" : "ok";
}

function worst(rows: readonly Row[]): number {
  // Math.max makes NaN of a NaN, which is the worst of all.
  return Math.max(...rows.map((row) => row.error));
}

function digits(value: number, count = 2): string {
  return value === 0 ? "0" : Number.isFinite(value) ? value.toExponential(count) : String(value);
}

/** Columns as wide as their widest cell; numbers stand at the right. */
function table(cells: readonly string[][]): string[] {
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((line) => line[column]!.length)));
  return cells.map((line) =>
    line
      .map((cell, column) =>
        column >= 2 && column <= 4 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      .join("  ")
      .trimEnd(),
  );
}
