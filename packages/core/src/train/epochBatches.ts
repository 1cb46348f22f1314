// The batches of the epoch at work; the next one is prepared while a step runs.

import type { Batch, BatchSource } from "../data/index.js";
import { PeftError } from "../errors.js";

export class EpochBatches {
  readonly #iterator: AsyncIterator<Batch>;
  #next: Promise<IteratorResult<Batch>> | undefined;
  #closed = false;

  /** @param start the first batch that is wanted */
  constructor(
    readonly source: BatchSource,
    readonly epoch: number,
    start: number,
    signal: AbortSignal | undefined,
  ) {
    this.#iterator = source.batches(epoch, { start, signal })[Symbol.asyncIterator]();
  }

  /** @throws PeftError DATA_INVALID if the epoch is over before it should be */
  async take(): Promise<Batch> {
    const next = this.#next ?? this.#iterator.next();
    this.#next = undefined;
    const { value, done } = await next;
    if (!done) return value;
    throw new PeftError(
      "DATA_INVALID",
      `epoch ${this.epoch} has less than the ${this.source.batchesPerEpoch} batches promised`,
      {
        hint: "let batchesPerEpoch be what batches() gives",
      },
    );
  }

  prepare(): void {
    if (this.#closed || this.#next) return;
    this.#next = this.#iterator.next();
    // Reported when its turn comes, or never, if the run ends before.
    this.#next.catch(() => {});
  }

  async close(): Promise<void> {
    this.#closed = true;
    // A source that was aborted has said so already.
    await this.#iterator.return?.().catch(() => {});
  }
}
