// The trainer: what a user makes to train a model, and the stream of events that a run is.

import { env } from "../env.js";
import { type FolderLock, lockFolder } from "../files/lock.js";
import type { TrainingCallback } from "./callbacks.js";
import type { TrainingEvent } from "./events.js";
import type { TrainableModel } from "./model.js";
import { Run } from "./run.js";
import { openRunLog } from "./runLog.js";
import { type Settings, settingsOf, type TrainerOptions } from "./trainerOptions.js";

export interface RunOptions {
  /** Ends the run within two steps: a checkpoint is written, then `run` throws an AbortError. */
  readonly signal?: AbortSignal;
}

/**
 * Trains a model.
 *
 * ```ts
 * const trainer = new Trainer(model, { train, validation, epochs: 10, learningRate: 1e-3, outputDir: "out" });
 * for await (const event of trainer.run({ signal })) console.log(event);
 * ```
 */
export class Trainer {
  readonly #settings: Settings;

  /** @throws PeftError ARGUMENT_INVALID, DATA_EMPTY */
  constructor(
    readonly model: TrainableModel,
    options: TrainerOptions,
  ) {
    this.#settings = settingsOf(options);
  }

  /**
   * The run, step by step; nothing is done unless the events are asked for. Ends early when the consumer does. Each call
   * is a run of its own, from the model's parameters as they are.
   *
   * @throws PeftError TRAINING_DIVERGED when loss or gradients are no longer finite: the parameters are then those of the
   *   last finite step, and are in the checkpoint; FILE_UNWRITABLE, also of a full disk: the checkpoint before stays; before
   *   the first step FOLDER_LOCKED, RUN_EXISTS, and with `resume` FILE_MISSING, CHECKPOINT_INVALID, CHECKPOINT_MISMATCH.
   *   DOMException AbortError when the signal is aborted.
   */
  async *run(options: RunOptions = {}): AsyncGenerator<TrainingEvent, void, undefined> {
    const { outputDir, callbacks = [] } = this.#settings;
    const run = new Run(this.model, this.#settings, options.signal);
    let lock: FolderLock | undefined;
    let told = callbacks;
    try {
      if (outputDir !== undefined) {
        lock = await lockRun(outputDir);
        told = [await openRunLog(outputDir), ...callbacks];
      }
      for await (const event of run.events()) {
        for (const callback of told) await callback.onEvent(event);
        yield event;
      }
    } finally {
      run.dispose();
      await end(told, lock);
    }
  }
}

/** The lock file in a run's output folder. */
const LOCK = "run.lock";

async function lockRun(outputDir: string): Promise<FolderLock> {
  const lock = await lockFolder(outputDir, LOCK);
  if (lock.tookOverFrom) {
    const { pid } = lock.tookOverFrom;
    env.warn({
      code: "LOCK_TAKEN_OVER",
      message: `process ${pid} ended without giving ${outputDir} back; its last checkpoint holds what it had done`,
    });
  }
  return lock;
}

/** Each is told that the run is over, and the folder is free, whatever one of them throws. */
async function end(callbacks: readonly TrainingCallback[], lock: FolderLock | undefined): Promise<void> {
  const ends = await Promise.allSettled(callbacks.map(async (callback) => callback.onEnd?.()));
  await lock?.release();
  const failed = ends.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}
