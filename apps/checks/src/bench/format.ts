// A benchmark's result: the JSON document that programs read, and the table for people.
import type { Samples, Sides } from "./pairs.js";
import { lowerQuartile, median } from "./quartile.js";
import type { BenchRow } from "./suites.js";

export interface Figures {
  /** Lower quartile over the samples, seconds. */
  time_s: number;
  /** Peak memory of the process as the operating system counts it, MB. */
  peak_mb: number;
}

export interface ResultRow {
  name: string;
  ours: Figures;
  torch: Figures | null;
  /** Ours over PyTorch's. */
  ratio_time: number | null;
  ratio_memory: number | null;
  target_time: number | null;
  target_memory: number | null;
  /** Our time over that of another row of ours. */
  over?: { row: string; ratio: number; target: number };
}

export interface BenchDocument {
  processor: string;
  rows: ResultRow[];
}

/**
 * The figures of a row from its samples.
 *
 * @param earlier results of the suite's rows before it
 */
export function resultRow(row: BenchRow, samples: Sides<Samples>, earlier: readonly ResultRow[] = []): ResultRow {
  const ours = figures(samples.ours);
  const torch = samples.torch && figures(samples.torch);
  const under = earlier.find(({ name }) => name === row.over?.row);
  return {
    name: row.name,
    ours,
    torch,
    ratio_time: torch && ours.time_s / torch.time_s,
    ratio_memory: torch && ours.peak_mb / torch.peak_mb,
    target_time: row.targetTime,
    target_memory: row.targetMemory,
    ...(row.over && under && { over: { ...row.over, ratio: ours.time_s / under.ours.time_s } }),
  };
}

/** A table of the rows; `notes` stand below it. */
export function formatBench(document: BenchDocument, notes: readonly string[] = []): string {
  const header = [
    "row",
    "time: ours",
    "PyTorch",
    "ratio",
    "target",
    "",
    "memory: ours",
    "PyTorch",
    "ratio",
    "target",
    "",
  ];
  const lines = document.rows.map((row) => [
    row.name,
    seconds(row.ours.time_s),
    row.torch ? seconds(row.torch.time_s) : "-",
    ratio(row.ratio_time),
    ratio(row.target_time),
    verdict(row.ratio_time, row.target_time),
    `${Math.round(row.ours.peak_mb)} MB`,
    row.torch ? `${Math.round(row.torch.peak_mb)} MB` : "-",
    ratio(row.ratio_memory),
    ratio(row.target_memory),
    verdict(row.ratio_memory, row.target_memory),
  ]);
  const wide = header.map((name, column) => Math.max(name.length, ...lines.map((line) => line[column]!.length)));
  const render = (cells: string[]) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(wide[column]!) : cell.padStart(wide[column]!)))
      .join("  ")
      .trimEnd();
  const compared = document.rows.flatMap(({ name, over }) =>
    over
      ? `${name} over ${over.row}, our times: ${ratio(over.ratio)}, target ${ratio(over.target)} ${verdict(over.ratio, over.target)}`
      : [],
  );
  return [
    document.processor,
    "Time: lower quartile of a step. Memory: peak of the process. Targets hold on AMD with AVX-512. System's default settings.",
    "",
    render(header),
    ...lines.map(render),
    ...(compared.length > 0 ? ["", ...compared] : []),
    ...(notes.length > 0 ? ["", ...notes] : []),
  ].join("\n");
}

function figures({ times, peaks }: Samples): Figures {
  return { time_s: lowerQuartile(times), peak_mb: median(peaks) };
}

function seconds(value: number): string {
  return value < 1 ? `${(value * 1000).toPrecision(3)} ms` : `${value.toPrecision(3)} s`;
}

function ratio(value: number | null): string {
  return value === null ? "-" : value.toFixed(2);
}

function verdict(value: number | null, target: number | null): string {
  if (value === null || target === null) return "";
  return value <= target ? "ok" : "over";
}
