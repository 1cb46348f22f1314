// Another number of tokens: old rows are kept bit for bit, new ones are drawn.

import { Parameter } from "../../engine/index.js";
import { PeftError } from "../../errors.js";
import type { Initializer } from "../../nn/index.js";

/**
 * Gives a table another number of rows.
 *
 * @param init of the rows that were not there
 * @throws PeftError ARGUMENT_INVALID for a number of rows that is none
 */
export async function resizeRows(table: { weight: Parameter }, rows: number, init: Initializer): Promise<void> {
  if (!(Number.isInteger(rows) && rows > 0)) {
    throw new PeftError("ARGUMENT_INVALID", `${rows} is no number of tokens`, { place: "vocabSize" });
  }
  const old = table.weight;
  const [before, width] = old.shape as [number, number];
  const numbers = new Float32Array(rows * width);
  numbers.set(((await old.read()) as Float32Array).subarray(0, Math.min(before, rows) * width));
  if (rows > before) numbers.set(init([rows - before, width], `${old.name} from ${before}`), before * width);
  table.weight = new Parameter([rows, width], numbers, { name: old.name });
  old.dispose();
}

export interface ResizeOptions {
  /** Of the new rows. @defaultValue 0 */
  seed?: number;
}
