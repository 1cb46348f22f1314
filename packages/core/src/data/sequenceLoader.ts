// Batches of examples that are named arrays of unequal length: texts, sounds, and their targets.

import { createHash } from "node:crypto";
import type { Batch, BatchSource, EpochOptions } from "./batches.js";
import {
  type BatchPlace,
  checkLoaderOptions,
  countBatches,
  type LoaderOptions,
  loadBatches,
  loaderFingerprint,
} from "./batchLoading.js";
import { type ArrayExample, checkPadding, collateArrays, type Padding } from "./collate.js";
import { type Dataset, itemAt } from "./dataset.js";
import { digest } from "./digest.js";
import { type AugmentationKey, augmentationKey } from "./random.js";

/** The last word of an example's key, which keeps it apart from the draws of the epoch's order. */
const AUGMENTATION = 1;

/** Examples that are in memory already. */
export class ArrayDataset implements Dataset<ArrayExample> {
  readonly length: number;

  constructor(private readonly examples: readonly ArrayExample[]) {
    this.length = examples.length;
  }

  get(index: number): ArrayExample {
    return itemAt(this.examples, index);
  }

  /** Of the numbers themselves, since they are at hand. */
  async fingerprint(): Promise<string> {
    const bytes = createHash("sha256");
    const facts = this.examples.map((example) =>
      Object.entries(example).map(([name, { data, shape, dtype }]) => {
        bytes.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
        return [name, shape, dtype];
      }),
    );
    return digest("arrays", facts, bytes.digest("hex"));
  }
}

export interface SequenceBatch extends Batch {
  /** Positions in the data set. */
  readonly indices: Uint32Array;
  /** Rows at the end that repeat examples of this epoch: those that fill a last batch. */
  readonly repeats: number;
}

export interface SequenceLoaderOptions extends LoaderOptions {
  /** How arrays of unequal length are padded, by name; all others must be of one shape. @defaultValue none */
  readonly padding?: Readonly<Record<string, Padding>>;
  /** Augments an example; its key is a function of (seed, epoch, position in the data set). @defaultValue none */
  readonly transform?: (example: ArrayExample, key: AugmentationKey) => ArrayExample;
}

/**
 * Loads a data set of named arrays in batches. With `lastBatch: "pad"` or `"drop"`, the batches of all epochs have at most
 * as many shapes as `padding` has combinations of lengths, and a step is compiled as many times.
 */
export class SequenceLoader implements BatchSource {
  /** @throws PeftError ARGUMENT_INVALID for a bad batch size, `prefetch` or padding; DATA_EMPTY. */
  constructor(
    readonly dataset: Dataset<ArrayExample>,
    private readonly options: SequenceLoaderOptions,
  ) {
    checkLoaderOptions(dataset.length, options);
    checkPadding(options.padding ?? {});
  }

  get batchesPerEpoch(): number {
    return countBatches(this.dataset.length, this.options);
  }

  /** Of the data set and the order of its examples; the transform cannot be told from others and plays no part. */
  fingerprint(): Promise<string> {
    return loaderFingerprint(this.dataset.fingerprint(), this.options);
  }

  /**
   * The batches of one epoch.
   *
   * @throws PeftError what reading, the transform or `collateArrays` throws, with the example as its place; the signal's
   *   reason (an AbortError) when it is aborted.
   */
  batches(epoch: number, options: EpochOptions = {}): AsyncGenerator<SequenceBatch> {
    const { transform = (example) => example, padding, seed = 0 } = this.options;
    const recipe = {
      length: this.dataset.length,
      read: async (index: number) =>
        transform(await this.dataset.get(index), augmentationKey(seed, epoch, index, AUGMENTATION)),
      collate: (examples: readonly ArrayExample[], { indices, repeats }: BatchPlace) => ({
        inputs: collateArrays(examples, padding, (i) => `example ${indices[i]}`),
        size: examples.length,
        indices,
        repeats,
      }),
    };
    return loadBatches(recipe, this.options, epoch, options);
  }
}
