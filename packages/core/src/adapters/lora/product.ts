// The product of LoRA's two factors on the host, in double precision, row by row: DoRA's first magnitudes are made of it
// before any engine is chosen, and even an embedding of a large vocabulary never stands there a second time in full.

/** A factor's numbers, and how far its two indices are apart in them. */
export interface Factor {
  readonly data: ArrayLike<number>;
  /** From one row or column of the weight to the next. */
  readonly step: number;
  /** From one rank to the next. */
  readonly rank: number;
}

/** Two factors whose product has the layout of a layer's weight: [rows, columns]. */
export interface Factors {
  readonly left: Factor;
  readonly right: Factor;
  readonly rows: number;
  readonly columns: number;
  readonly r: number;
}

/**
 * Calls `visit` with each row of scale * left * right; the array is the same each time. Ranks are summed in their order, four
 * in one pass over the row, which then is loaded and stored a quarter as often.
 */
export function eachRow(
  { left, right, rows, columns, r }: Factors,
  scale: number,
  visit: (row: Float64Array, index: number) => void,
): void {
  const row = new Float64Array(columns);
  // A multiple of four ranks, of which the last may be zeros.
  const ranks = Math.ceil(r / 4) * 4;
  const wide = inDouble(right, { columns, r, ranks });
  const factors = new Float64Array(ranks);
  for (let i = 0; i < rows; i++) {
    row.fill(0);
    for (let k = 0; k < r; k++) factors[k] = left.data[i * left.step + k * left.rank]! * scale;
    for (let k = 0; k < ranks; k += 4) {
      const [f0, f1, f2, f3] = [factors[k]!, factors[k + 1]!, factors[k + 2]!, factors[k + 3]!];
      if (f0 === 0 && f1 === 0 && f2 === 0 && f3 === 0) continue;
      const [a0, a1, a2, a3] = [k, k + 1, k + 2, k + 3].map((rank) => wide[rank]!) as Four;
      for (let j = 0; j < columns; j++) row[j] = row[j]! + f0 * a0[j]! + f1 * a1[j]! + f2 * a2[j]! + f3 * a3[j]!;
    }
    visit(row, i);
  }
}

type Four = [Float64Array, Float64Array, Float64Array, Float64Array];

/** A factor's numbers rank by rank. */
function inDouble(
  { data, step, rank }: Factor,
  { columns, r, ranks }: { columns: number; r: number; ranks: number },
): Float64Array[] {
  return Array.from({ length: ranks }, (_, k) =>
    k < r ? Float64Array.from({ length: columns }, (__, j) => data[k * rank + j * step]!) : new Float64Array(columns),
  );
}
