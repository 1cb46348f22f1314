// The split (`mosa.md` §3.2): which expert owns which entry of a weight. Made once, before training; disjoint, covering
// everything, and even to one entry, which the random scores of the original are not where two of them tie.

import { permutation } from "@peft/core";

/** `all`: over the whole weight. `row`, `column`: evenly inside each row or column. */
export type SplitMode = "all" | "row" | "column";

export const SPLIT_MODES = ["all", "row", "column"] as const;

export interface OwnerMapOptions {
  /** N, at least 1. */
  readonly numExperts: number;
  readonly mode: SplitMode;
  readonly seed: number;
  /** The tensor's path, so that layers and sides differ. */
  readonly name: string;
}

/**
 * The owner, 0..N-1, of each entry of a weight: a random permutation of the n entries, cut at floor(n e / N).
 *
 * @param shape [out, in]
 * @returns out * in numbers, row-major
 */
export function ownerMap(
  [rows, columns]: readonly [number, number],
  { numExperts, mode, seed, name }: OwnerMapOptions,
): Int32Array {
  const owner = new Int32Array(rows * columns);
  const letters = Array.from(name, (letter) => letter.codePointAt(0)!);
  const deal = (line: number, n: number, place: (k: number) => number): void => {
    const order = permutation(n, seed, ...letters, line);
    for (let e = 0; e < numExperts; e++) {
      const end = Math.floor((n * (e + 1)) / numExperts);
      for (let k = Math.floor((n * e) / numExperts); k < end; k++) owner[place(order[k]!)] = e;
    }
  };
  if (mode === "all") deal(0, rows * columns, (k) => k);
  else if (mode === "row") for (let row = 0; row < rows; row++) deal(row, columns, (k) => row * columns + k);
  else for (let column = 0; column < columns; column++) deal(column, rows, (k) => k * columns + column);
  return owner;
}
