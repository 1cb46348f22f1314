// Batches of pictures for a model, a few of them prepared ahead. An epoch's batches are a function of (seed, epoch), so
// that a run can go on in the middle of one.

import { PeftError } from "../errors.js";
import type { HostArray } from "../hostArray.js";
import type { Batch, BatchSource, EpochOptions } from "./batches.js";
import type { ImageDataset } from "./dataset.js";
import { type Normalization, type NormalizationTables, normalizationTables, writeFloatCHW } from "./normalize.js";
import { augmentationKey, permutation } from "./random.js";
import type { Transform } from "./transforms.js";

/** Batches prepared ahead of the one in use: one would do if all took equally long, the second evens out. */
const PREFETCHED_BATCHES = 2;

/** The last word of an example's key, which keeps it apart from the draws of the epoch's order. */
const AUGMENTATION = 1;

export interface ImageBatch extends Batch {
  /** `pixelValues` [size, 3, height, width] and `labels` [size], int32. */
  readonly inputs: { readonly pixelValues: HostArray; readonly labels: HostArray };
  readonly ids: readonly string[];
  /** Positions in the data set. */
  readonly indices: Uint32Array;
}

export interface DataLoaderOptions {
  readonly batchSize: number;
  /** Makes all pictures of one size; may augment. @defaultValue none: the pictures have one size already */
  readonly transform?: Transform;
  readonly normalization: Normalization;
  /** Whether each epoch has an order of its own. @defaultValue false */
  readonly shuffle?: boolean;
  /** Decides the orders and the augmentations. @defaultValue 0 */
  readonly seed?: number;
  /** Whether a last batch that is not full is left out. @defaultValue false */
  readonly dropLast?: boolean;
}

/** Loads a data set in batches. It holds no state: epochs can be read again, in any order, and at the same time. */
export class DataLoader implements BatchSource {
  private readonly tables: NormalizationTables;

  /** @throws PeftError ARGUMENT_INVALID for a batch size that is not a positive whole number; DATA_EMPTY. */
  constructor(
    readonly dataset: ImageDataset,
    private readonly options: DataLoaderOptions,
  ) {
    const { batchSize } = options;
    if (!Number.isInteger(batchSize) || batchSize < 1) {
      throw new PeftError("ARGUMENT_INVALID", `a batch size of ${batchSize}: it must be a positive whole number`);
    }
    if (dataset.length === 0) throw new PeftError("DATA_EMPTY", "the data set has no examples");
    this.tables = normalizationTables(options.normalization);
  }

  get batchesPerEpoch(): number {
    const { batchSize, dropLast = false } = this.options;
    const batches = this.dataset.length / batchSize;
    return dropLast ? Math.floor(batches) : Math.ceil(batches);
  }

  /**
   * The batches of one epoch.
   *
   * @throws PeftError SHAPE_MISMATCH if the pictures of a batch differ in size, and what reading throws; the signal's
   *   reason (an AbortError) when it is aborted.
   */
  async *batches(epoch: number, { start = 0, signal }: EpochOptions = {}): AsyncGenerator<ImageBatch> {
    const { batchSize, shuffle = false, seed = 0 } = this.options;
    if (!Number.isInteger(start) || start < 0) {
      throw new PeftError("ARGUMENT_INVALID", `an epoch cannot start at batch ${start}`);
    }
    const count = this.dataset.length;
    const order = shuffle ? permutation(count, seed, epoch) : Uint32Array.from({ length: count }, (_, i) => i);
    const underWay: Promise<ImageBatch>[] = [];
    let next = start;
    const fill = () => {
      while (next < this.batchesPerEpoch && underWay.length <= PREFETCHED_BATCHES) {
        const batch = this.load(order.slice(next * batchSize, (next + 1) * batchSize), epoch);
        batch.catch(() => {}); // reported when its turn comes, or never, if the consumer stops before
        underWay.push(batch);
        next++;
      }
    };
    signal?.throwIfAborted();
    fill();
    for (let first = underWay.shift(); first; first = underWay.shift()) {
      const batch = await untilAborted(first, signal);
      fill();
      yield batch;
      signal?.throwIfAborted();
    }
  }

  private async load(indices: Uint32Array, epoch: number): Promise<ImageBatch> {
    const { transform = (image) => image, seed = 0 } = this.options;
    const size = indices.length;
    const examples = await Promise.all(
      Array.from(indices, async (index) => {
        const example = await this.dataset.get(index);
        return { ...example, image: transform(example.image, augmentationKey(seed, epoch, index, AUGMENTATION)) };
      }),
    );
    const { width, height } = examples[0]!.image;
    const numbers = 3 * height * width;
    const images = new Float32Array(size * numbers);
    for (const [i, { image, id }] of examples.entries()) {
      if (image.width !== width || image.height !== height) {
        throw new PeftError(
          "SHAPE_MISMATCH",
          `pictures of ${width}x${height} (${examples[0]!.id}) and ${image.width}x${image.height} (${id}) in one batch`,
          { hint: "give the loader a transform that resizes or crops to one size" },
        );
      }
      writeFloatCHW(image, this.tables, images.subarray(i * numbers, (i + 1) * numbers));
    }
    return {
      inputs: {
        pixelValues: { data: images, shape: [size, 3, height, width], dtype: "float32" },
        labels: { data: Int32Array.from(examples, ({ label }) => label), shape: [size], dtype: "int32" },
      },
      ids: examples.map(({ id }) => id),
      indices,
      size,
    };
  }
}

/** Waits for a promise, but not beyond an abort. */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
