// The product of LoRA's two factors on the host, in double precision: what is folded into a weight, row by row, so that
// even an embedding of a large vocabulary never stands there a second time in full.

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

/** Calls `visit` with each row of scale * left * right; the array is the same each time. */
export function eachRow(
  { left, right, rows, columns, r }: Factors,
  scale: number,
  visit: (row: Float64Array, index: number) => void,
): void {
  const row = new Float64Array(columns);
  for (let i = 0; i < rows; i++) {
    row.fill(0);
    for (let k = 0; k < r; k++) {
      const factor = left.data[i * left.step + k * left.rank]! * scale;
      if (factor === 0) continue;
      for (let j = 0, at = k * right.rank; j < columns; j++, at += right.step) row[j]! += factor * right.data[at]!;
    }
    visit(row, i);
  }
}
