// Where batches come from: a source of numbered epochs, each of which can be gone on with in the middle.

import type { HostArray } from "../hostArray.js";

/** Examples for one step. */
export interface Batch {
  /** Inputs and targets by the names that the model knows, each with `size` rows. */
  readonly inputs: Readonly<Record<string, HostArray>>;
  /** Number of examples. */
  readonly size: number;
}

export interface EpochOptions {
  /** The first batch to give, for going on in the middle of an epoch. @defaultValue 0 */
  readonly start?: number;
  readonly signal?: AbortSignal;
}

/** Batches for training or evaluation. An epoch's batches must be a function of its number alone. */
export interface BatchSource {
  readonly batchesPerEpoch: number;
  /** Tells this data from other data, cheaply, so that a run does not go on with a set that has changed. */
  fingerprint?(): Promise<string> | string;
  /** The batches of one epoch. */
  batches(epoch: number, options?: EpochOptions): AsyncIterable<Batch>;
}
