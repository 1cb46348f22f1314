// A parity run as a table for people.
import type { Row } from "./rows.js";

export function formatParity(rows: Row[]): string {
  if (rows.length === 0) return "No parity row is defined yet.";
  const wide = Math.max(...rows.map((row) => row.name.length), 4);
  const kindWide = Math.max(...rows.map((row) => row.kind.length), 4);
  const line = (name: string, kind: string, error: string, bound: string, ok: string) =>
    `${name.padEnd(wide)}  ${kind.padEnd(kindWide)}  ${error.padStart(9)}  ${bound.padStart(7)}  ${ok}`;
  const missed = rows.filter((row) => !row.ok).length;
  return [
    line("row", "kind", "error", "bound", ""),
    ...rows.map((row) => line(row.name, row.kind, digits(row.error), digits(row.bound, 0), row.ok ? "ok" : "MISSED")),
    "",
    missed === 0
      ? `All ${rows.length} rows within their bounds.`
      : `${missed} of ${rows.length} rows missed their bounds.`,
  ].join("\n");
}

function digits(value: number, count = 2): string {
  return value === 0 ? "0" : value.toExponential(count);
}
