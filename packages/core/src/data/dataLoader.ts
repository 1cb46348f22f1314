// Batches of pictures for a model: decoded, augmented, normalised, stacked, mixed. What is random is a function of (seed,
// epoch) and of where an example or batch stands, so that a run can go on in the middle of an epoch.

import { PeftError } from "../errors.js";
import type { HostArray } from "../hostArray.js";
import type { Batch, BatchSource, EpochOptions } from "./batches.js";
import {
  type BatchPlace,
  checkLoaderOptions,
  countBatches,
  type LoaderOptions,
  loadBatches,
  loaderFingerprint,
} from "./batchLoading.js";
import type { ImageDataset, ImageExample } from "./dataset.js";
import { type Normalization, type NormalizationTables, normalizationTables, writeFloatCHW } from "./normalize.js";
import { type AugmentationKey, augmentationKey } from "./random.js";
import type { BatchTransform, PixelTransform, Transform } from "./transforms.js";

/** The last word of a key: what is drawn from it, apart from the epoch's order. */
const [AUGMENTATION, PIXELS, MIXING] = [1, 2, 3];

export interface ImageBatch extends Batch {
  /** `pixelValues` [size, 3, height, width] and `labels` [size], int32; mixed ones are [size, classes], float32. */
  readonly inputs: { readonly pixelValues: HostArray; readonly labels: HostArray };
  readonly ids: readonly string[];
  /** Positions in the data set. */
  readonly indices: Uint32Array;
  /** Rows at the end that repeat examples of this epoch: those that fill a last batch. */
  readonly repeats: number;
}

export interface DataLoaderOptions extends LoaderOptions {
  /** Makes all pictures of one size; may augment. @defaultValue none: the pictures have one size already */
  readonly transform?: Transform;
  readonly normalization: Normalization;
  /** Augments the normalised numbers of each picture, such as `randomErasing`. @defaultValue none */
  readonly pixelTransform?: PixelTransform;
  /** Augments a batch as a whole, such as `mixup`. @defaultValue none */
  readonly batchTransform?: BatchTransform;
}

interface Loaded extends ImageExample {
  readonly pixelKey: AugmentationKey;
}

/** Loads a data set in batches. It holds no state: epochs can be read again, in any order, and at the same time. */
export class DataLoader implements BatchSource {
  private readonly tables: NormalizationTables;

  /**
   * @throws PeftError ARGUMENT_INVALID for a batch size that is not a positive whole number or a `prefetch` that is not
   *   one or 0; DATA_EMPTY.
   */
  constructor(
    readonly dataset: ImageDataset,
    private readonly options: DataLoaderOptions,
  ) {
    checkLoaderOptions(dataset.length, options);
    this.tables = normalizationTables(options.normalization);
  }

  get batchesPerEpoch(): number {
    return countBatches(this.dataset.length, this.options);
  }

  /** Of the data set and the order of its examples; the transforms cannot be told apart and play no part. */
  fingerprint(): Promise<string> {
    return loaderFingerprint(this.dataset.fingerprint(), this.options);
  }

  /**
   * The batches of one epoch.
   *
   * @throws PeftError SHAPE_MISMATCH if the pictures of a batch differ in size; what reading or a transform throws, with
   *   the code it has (otherwise DATA_INVALID) and the example as its place; the signal's reason (an AbortError) when it
   *   is aborted.
   */
  batches(epoch: number, options: EpochOptions = {}): AsyncGenerator<ImageBatch> {
    const recipe = {
      length: this.dataset.length,
      read: (index: number) => this.read(index, epoch),
      collate: (examples: readonly Loaded[], place: BatchPlace) => this.collate(examples, place),
    };
    return loadBatches(recipe, this.options, epoch, options);
  }

  private async read(index: number, epoch: number): Promise<Loaded> {
    const { transform = (image) => image, seed = 0 } = this.options;
    const example = await this.dataset.get(index);
    const image = transform(example.image, augmentationKey(seed, epoch, index, AUGMENTATION));
    return { ...example, image, pixelKey: augmentationKey(seed, epoch, index, PIXELS) };
  }

  private collate(examples: readonly Loaded[], { indices, repeats, epoch, position }: BatchPlace): ImageBatch {
    const { pixelTransform, batchTransform, seed = 0 } = this.options;
    const size = examples.length;
    const { width, height } = examples[0]!.image;
    const numbers = 3 * height * width;
    const images = new Float32Array(size * numbers);
    for (const [i, { image, id, pixelKey }] of examples.entries()) {
      if (image.width !== width || image.height !== height) {
        throw new PeftError(
          "SHAPE_MISMATCH",
          `pictures of ${width}x${height} (${examples[0]!.id}) and ${image.width}x${image.height} (${id}) in one batch`,
          { hint: "give the loader a transform that resizes or crops to one size" },
        );
      }
      const pixels = images.subarray(i * numbers, (i + 1) * numbers);
      writeFloatCHW(image, this.tables, pixels);
      pixelTransform?.(pixels, { width, height }, pixelKey);
    }
    const batch: ImageBatch = {
      inputs: {
        pixelValues: { data: images, shape: [size, 3, height, width], dtype: "float32" },
        labels: { data: Int32Array.from(examples, ({ label }) => label), shape: [size], dtype: "int32" },
      },
      ids: examples.map(({ id }) => id),
      indices,
      repeats,
      size,
    };
    return batchTransform?.(batch, augmentationKey(seed, epoch, position, MIXING)) ?? batch;
  }
}
