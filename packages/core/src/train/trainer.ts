// The trainer: what a user makes to train a model, and the stream of events that a run is.

import type { TrainingEvent } from "./events.js";
import type { TrainableModel } from "./model.js";
import { Run } from "./run.js";
import { openRunLog, type RunLog } from "./runLog.js";
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
   *   last finite step, and are in the checkpoint; FILE_UNWRITABLE; with `resume` FILE_MISSING, CHECKPOINT_INVALID,
   *   CHECKPOINT_MISMATCH, all before the first step. DOMException AbortError when the signal is aborted.
   */
  async *run(options: RunOptions = {}): AsyncGenerator<TrainingEvent, void, undefined> {
    const { outputDir } = this.#settings;
    const run = new Run(this.model, this.#settings, options.signal);
    let log: RunLog | undefined;
    try {
      if (outputDir !== undefined) log = await openRunLog(outputDir);
      for await (const event of run.events()) {
        await log?.write(event);
        yield event;
      }
    } finally {
      run.dispose();
      await log?.close();
    }
  }
}
