// Batches of arrays in memory.

import { createHash } from "node:crypto";
import { type BatchSource, permutation } from "../data/index.js";
import { PeftError } from "../errors.js";
import type { HostArray } from "../hostArray.js";

export interface ArrayBatchesOptions {
  readonly batchSize: number;
  /** Whether each epoch has an order of its own. @defaultValue false */
  readonly shuffle?: boolean;
  /** Decides the orders. @defaultValue 0 */
  readonly seed?: number;
  /** Whether a last batch that is not full is left out. @defaultValue false */
  readonly dropLast?: boolean;
}

/**
 * Batches of arrays in memory.
 *
 * @param arrays inputs and targets by name, each [examples, ...]
 * @throws PeftError ARGUMENT_INVALID for a batch size that is not a positive whole number; SHAPE_MISMATCH if the arrays
 *   differ in their number of examples; DATA_EMPTY if there is no batch
 */
export function arrayBatches(arrays: Readonly<Record<string, HostArray>>, options: ArrayBatchesOptions): BatchSource {
  const { batchSize, shuffle = false, seed = 0, dropLast = false } = options;
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new PeftError("ARGUMENT_INVALID", `a batch size of ${batchSize}: it must be a positive whole number`);
  }
  const counts = Object.entries(arrays).map(([name, { shape }]) => [name, shape[0] ?? 0] as const);
  const count = counts[0]?.[1] ?? 0;
  for (const [name, other] of counts) {
    if (other !== count) {
      throw new PeftError("SHAPE_MISMATCH", `"${counts[0]![0]}" has ${count} examples and "${name}" ${other}`);
    }
  }
  const batchesPerEpoch = dropLast ? Math.floor(count / batchSize) : Math.ceil(count / batchSize);
  if (batchesPerEpoch === 0) throw new PeftError("DATA_EMPTY", "there are no examples for a batch");
  return {
    batchesPerEpoch,
    fingerprint: async () =>
      fingerprint(count, [
        JSON.stringify({ batchSize, shuffle, seed, dropLast }),
        ...Object.entries(arrays).flatMap(([name, { data, shape, dtype }]) => [`${name} ${dtype} ${shape}`, data]),
      ]),
    async *batches(epoch, { start = 0 } = {}) {
      const order = shuffle ? permutation(count, seed, epoch) : Uint32Array.from({ length: count }, (_, i) => i);
      for (let i = start; i < batchesPerEpoch; i++) {
        const rows = order.subarray(i * batchSize, Math.min(count, (i + 1) * batchSize));
        const inputs = Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, pick(array, rows)]));
        yield { inputs, size: rows.length };
      }
    },
  };
}

/** The rows of an array, in this order. */
function pick({ data, shape, dtype }: HostArray, rows: Uint32Array): HostArray {
  const width = shape.slice(1).reduce((product, size) => product * size, 1);
  const picked = new (data.constructor as new (length: number) => typeof data)(rows.length * width);
  for (const [to, from] of rows.entries()) picked.set(data.subarray(from * width, (from + 1) * width), to * width);
  return { data: picked, shape: [rows.length, ...shape.slice(1)], dtype };
}

/** Digits of a fingerprint that are kept: it is to tell data sets apart, not to resist a forger. */
const DIGITS = 16;

function fingerprint(examples: number, parts: readonly (string | HostArray["data"])[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return `${examples} examples, ${hash.digest("hex").slice(0, DIGITS)}`;
}
