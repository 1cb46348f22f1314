// The rows of every benchmark suite: what is timed, and the targets it is held to.

/**
 * What one sample of a row is. `step`: one more step of a process that is already warm. `first`: the first step of a
 * fresh process, tracing and compiling included. `load`: reading the model in a fresh process.
 */
export type RowKind = "step" | "first" | "load";

export interface BenchRow {
  /** Also the argument that both sides get: it says which model, method and batch to run. */
  name: string;
  kind: RowKind;
  /** Our time over PyTorch's, on AMD with AVX-512; null where there is no target. */
  targetTime: number | null;
  /** Our peak memory over PyTorch's; null where there is no target. */
  targetMemory: number | null;
}

/** Suites by name. Suite `NAME` has its sides in `src/sides/NAME.ts` and `reference/bench/NAME.py`. */
export const suites: ReadonlyMap<string, BenchRow[]> = new Map();
