// What loaders of all kinds of data have in common: the order of an epoch, the last batch, preparing ahead within a bound,
// being aborted, and naming the example that cannot be had. An epoch's batches are a function of (seed, epoch).

import { PeftError } from "../errors.js";
import type { EpochOptions } from "./batches.js";
import { digest } from "./digest.js";
import { permutation } from "./random.js";

export interface LoaderOptions {
  readonly batchSize: number;
  /** Whether each epoch has an order of its own. @defaultValue false */
  readonly shuffle?: boolean;
  /** Decides the orders and the augmentations. @defaultValue 0 */
  readonly seed?: number;
  /**
   * What becomes of a last batch that is not full: it stays short, is left out, or is filled with the epoch's first
   * examples, so that a model meets one batch size alone. @defaultValue "keep"
   */
  readonly lastBatch?: "keep" | "drop" | "pad";
  /**
   * Batches that are prepared ahead of the one in use: the memory that this takes is theirs. 0 prepares each when it is
   * asked for. @defaultValue 2, since one would do if all took equally long, and the second evens out
   */
  readonly prefetch?: number;
}

/** Which examples a batch holds, and where it stands. */
export interface BatchPlace {
  /** Positions in the data set. */
  readonly indices: Uint32Array;
  /** How many examples at the end the epoch has given before: those that fill a last batch. */
  readonly repeats: number;
  readonly epoch: number;
  /** The batch's number in its epoch. */
  readonly position: number;
}

/** How one kind of data is loaded. */
export interface BatchRecipe<Example, Made> {
  /** Number of examples. */
  readonly length: number;
  /** Reads an example and makes it ready for a batch. */
  readonly read: (index: number) => Promise<Example>;
  readonly collate: (examples: readonly Example[], place: BatchPlace) => Made;
}

/** @throws PeftError ARGUMENT_INVALID for a batch size that is not a positive whole number or a bad `prefetch`; DATA_EMPTY. */
export function checkLoaderOptions(length: number, { batchSize, prefetch = 0 }: LoaderOptions): void {
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new PeftError("ARGUMENT_INVALID", `a batch size of ${batchSize}: it must be a positive whole number`);
  }
  if (!Number.isInteger(prefetch) || prefetch < 0) {
    throw new PeftError("ARGUMENT_INVALID", `${prefetch} batches ahead: it must be a whole number, 0 or more`);
  }
  if (length === 0) throw new PeftError("DATA_EMPTY", "the data set has no examples");
}

export function countBatches(length: number, { batchSize, lastBatch }: LoaderOptions): number {
  return lastBatch === "drop" ? Math.floor(length / batchSize) : Math.ceil(length / batchSize);
}

/** A fingerprint of all batches: of the data set and of what decides their order. */
export async function loaderFingerprint(ofDataset: Promise<string>, options: LoaderOptions): Promise<string> {
  const { batchSize, shuffle = false, seed = 0, lastBatch = "keep" } = options;
  return digest("batches", await ofDataset, batchSize, shuffle, shuffle ? seed : 0, lastBatch);
}

/** The batches of one epoch, never more than `prefetch` of them read ahead of the one in use. */
export async function* loadBatches<Example, Made>(
  recipe: BatchRecipe<Example, Made>,
  options: LoaderOptions,
  epoch: number,
  { start = 0, signal }: EpochOptions = {},
): AsyncGenerator<Made> {
  if (!Number.isInteger(start) || start < 0) {
    throw new PeftError("ARGUMENT_INVALID", `an epoch cannot start at batch ${start}`);
  }
  const { prefetch = 2 } = options;
  const places = placesOf(recipe.length, options, epoch, start);
  const underWay: Promise<Made>[] = [];
  for (;;) {
    signal?.throwIfAborted();
    while (underWay.length <= prefetch) {
      const { value: place, done } = places.next();
      if (done) break;
      const batch = load(recipe, place);
      batch.catch(() => {}); // reported when its turn comes, or never, if the consumer stops before
      underWay.push(batch);
    }
    const first = underWay.shift();
    if (!first) return;
    yield await untilAborted(first, signal);
  }
}

function* placesOf(length: number, options: LoaderOptions, epoch: number, start: number): Generator<BatchPlace, void> {
  const { batchSize, shuffle = false, seed = 0, lastBatch } = options;
  const order = shuffle ? permutation(length, seed, epoch) : Uint32Array.from({ length }, (_, i) => i);
  for (let position = start; position < countBatches(length, options); position++) {
    const own = order.slice(position * batchSize, (position + 1) * batchSize);
    const repeats = lastBatch === "pad" ? batchSize - own.length : 0;
    const indices = Uint32Array.from(
      { length: own.length + repeats },
      (_, i) => own[i] ?? order[(i - own.length) % length]!,
    );
    yield { indices, repeats, epoch, position };
  }
}

async function load<Example, Made>(recipe: BatchRecipe<Example, Made>, place: BatchPlace): Promise<Made> {
  const examples = await Promise.all(
    Array.from(place.indices, async (index) => {
      try {
        return await recipe.read(index);
      } catch (cause) {
        throw inExample(index, cause);
      }
    }),
  );
  return recipe.collate(examples, place);
}

/** What went wrong, with the example's position in the data set as its place. */
function inExample(index: number, cause: unknown): PeftError {
  const place = `example ${index}`;
  if (!(cause instanceof PeftError)) {
    const message = cause instanceof Error ? cause.message : String(cause);
    return new PeftError("DATA_INVALID", message, { place, cause });
  }
  const [message] = cause.message.split("\n"); // the hint stands on a line of its own
  return new PeftError(cause.code, message!, { place, hint: cause.hint, details: cause.details, cause });
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
