// Another number of tokens: old rows are kept bit for bit, new ones are drawn.

import { Parameter } from "../../engine/index.js";
import { PeftError } from "../../errors.js";
import type { Initializer } from "../../nn/index.js";

/**
 * A parameter with as many rows, of the same name; the old one is to be disposed of.
 *
 * @param init of the rows that were not there
 * @throws PeftError ARGUMENT_INVALID for a number of rows that is none
 */
export async function resizedRows(old: Parameter, rows: number, init: Initializer): Promise<Parameter> {
  if (!(Number.isInteger(rows) && rows > 0)) {
    throw new PeftError("ARGUMENT_INVALID", `${rows} is no number of tokens`, { place: "vocabSize" });
  }
  const [before, ...rest] = old.shape as [number, ...number[]];
  const kept = (await old.read()) as Float32Array;
  const width = old.size / before;
  const numbers = new Float32Array(rows * width);
  numbers.set(kept.subarray(0, Math.min(before, rows) * width));
  if (rows > before) numbers.set(init([rows - before, ...rest], `${old.name}.from ${before}`), before * width);
  return new Parameter([rows, ...rest], numbers, { name: old.name });
}

export interface ResizeOptions {
  /** Of the new rows. @defaultValue 0 */
  seed?: number;
}
