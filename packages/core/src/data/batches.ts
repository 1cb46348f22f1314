// Where batches come from: a source of numbered epochs, each of which can be gone on with in the middle.

import type { HostArray } from "../hostArray.js";

/** Examples for one step. */
export interface Batch {
  /** Inputs and targets by the names that the model knows, each with `size` rows. */
  readonly inputs: Readonly<Record<string, HostArray>>;
  /** Number of examples. */
  readonly size: number;
  /** How many examples at the end the epoch has given before: those that fill a last batch. @defaultValue 0 */
  readonly repeats?: number;
}

export interface EpochOptions {
  /** The first batch to give, for going on in the middle of an epoch. @defaultValue 0 */
  readonly start?: number;
  readonly signal?: AbortSignal;
}

/** Batches for training or evaluation. An epoch's batches must be a function of its number alone. */
export interface BatchSource {
  readonly batchesPerEpoch: number;
  /** The batches of one epoch. */
  batches(epoch: number, options?: EpochOptions): AsyncIterable<Batch>;
  /**
   * A text that stays the same as long as the batches do, for a checkpoint: the data set's own fingerprint with all that
   * decides the order. Absent where the source cannot tell.
   */
  fingerprint?(): Promise<string>;
}

/** The batch without the examples that fill it up. */
export function withoutRepeats<B extends Batch>(batch: B): B {
  const size = batch.size - (batch.repeats ?? 0);
  if (size === batch.size) return batch;
  const cut = ({ data, shape, dtype }: HostArray): HostArray => ({
    data: data.slice(0, (data.length / shape[0]!) * size),
    shape: [size, ...shape.slice(1)],
    dtype,
  });
  const inputs = Object.fromEntries(Object.entries(batch.inputs).map(([name, array]) => [name, cut(array)]));
  return { ...batch, inputs, size, repeats: 0 };
}
