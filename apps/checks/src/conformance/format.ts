// A conformance run as a table for people: what missed its bound, and of each road how many rows there are and the worst.
import type { Road } from "@peft/core/testing";
import type { Row } from "@peft/core/testing/conformance";

/** The document that `--json` prints. JSON has no Infinity: an error that is not finite is written as null and is never ok. */
export interface Conformance {
  readonly roads: readonly Road[];
  readonly rows: readonly Row[];
  readonly skipped: readonly { readonly road: Road; readonly reason: string }[];
}

export function formatConformance({ roads, rows, skipped }: Conformance): string {
  const missed = rows.filter((row) => !row.ok);
  const width = Math.max(0, ...rows.map(({ op }) => op.length));
  return [
    ...rows.map((row) =>
      `${row.ok ? "ok    " : "MISSED"}  ${row.road}  ${row.op.padEnd(width)}  ${errors(row)}`.trimEnd(),
    ),
    "",
    ...missed.map((row) => `MISSED ${row.road} ${row.op}: ${errors(row)}${row.failure ? `\n  ${row.failure}` : ""}`),
    ...skipped.map(({ road, reason }) => `skipped ${road}: ${reason}`),
    ...roads.map((road) => summary(road, rows)),
  ].join("\n");
}

function summary(road: Road, all: readonly Row[]): string {
  const rows = all.filter((row) => row.road === road);
  const ok = rows.filter((row) => row.ok);
  const worst = (of: (row: Row) => number | null): string => digits(Math.max(0, ...ok.map((row) => of(row) ?? 0)));
  const within = `worst forward ${worst((row) => row.forward_error)}, gradient ${worst((row) => row.gradient_error)}`;
  return `${road}: ${ok.length} of ${rows.length} rows within their bounds; of these the ${within}`;
}

function errors({ forward_error, gradient_error }: Row): string {
  return `forward ${digits(forward_error)}${gradient_error === null ? "" : `  gradient ${digits(gradient_error)}`}`;
}

function digits(value: number): string {
  return value === 0 ? "0" : Number.isFinite(value) ? value.toExponential(1) : String(value);
}
