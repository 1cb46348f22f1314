// A row of a parity run: what was compared, how far it is from the original, and how far it may be.
import { BOUNDS } from "@peft/core/testing";

export type RowKind = "output" | "outputFullDepth" | "gradient" | "gradientFullDepth" | "step" | "engines" | "exact";

/** The kinds of rows and their bounds in fp32 (architecture.md §5). A specification may set another bound for a row. */
export const bounds: Readonly<Record<RowKind, number>> = {
  /** Outputs and losses, small models. */
  output: BOUNDS.outputs,
  /** Outputs and losses at full depth. */
  outputFullDepth: BOUNDS.outputsFullDepth,
  gradient: BOUNDS.gradients,
  gradientFullDepth: BOUNDS.gradientsFullDepth,
  /** p_n − p_0 after at most ten optimizer steps. */
  step: BOUNDS.steps,
  /** Compiled against eager, outputs and gradients. */
  engines: BOUNDS.engines,
  /** Whole numbers, text, random bits: the error is how many differ. */
  exact: 0,
};

export interface Row {
  /** What was compared: `<subject> / <what>`, such as "ViT tiny / losses", or `<subject> / <what> / <tensor>`. */
  name: string;
  kind: RowKind;
  error: number;
  bound: number;
  ok: boolean;
  /** Why nothing was compared, where something is missing on this machine. Such a row is ok and is shown as skipped. */
  skipped?: string;
}

/** Computes its rows, given the folder of all fixtures. Leaves the compiled engine in use. */
export type ParitySuite = (fixtures: string) => Promise<Row[]>;

/** A row; NaN is never ok. */
export function row(name: string, kind: RowKind, error: number, bound: number = bounds[kind]): Row {
  return { name, kind, error, bound, ok: error <= bound };
}

/** The row of what could not be compared here. */
export function skippedRow(name: string, skipped: string): Row {
  return { name, kind: "exact", error: 0, bound: 0, ok: true, skipped };
}
