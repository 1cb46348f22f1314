// How the paper trains (`mosa.md` §6), top to bottom: host, batch, optimizer, learning rate. What differs from data set to
// data set is in presets.ts, its pictures in pictures.ts.

import {
  adamWLegacy,
  noDecay,
  type SwinForImageClassificationOptions,
  type TrainerOptions,
  type ViTLoadingOptions,
} from "@peft/core";
import { MOSA_PRESETS } from "./presets.js";

/** The host as the paper has it: dropout stays live in the frozen backbone while adapters train. */
export const MOSA_HOST: Required<Pick<ViTLoadingOptions, "dropout" | "layerNormEps" | "positionResize">> = {
  dropout: { embeddings: 0.1, attention: 0, mlp: 0.1 },
  layerNormEps: 1e-6,
  positionResize: "bilinear",
};

/** The Swin transformer as the paper has it: no dropout, but branches left out at up to 0.5 while adapters train. */
export const MOSA_SWIN_HOST: Required<Pick<SwinForImageClassificationOptions, "dropout" | "dropPathOn">> = {
  dropout: { hidden: 0, attention: 0, path: 0.5 },
  dropPathOn: "both",
};

/** Examples in a batch; the last, smaller one is not dropped. */
export const BATCH_SIZE = 128;

const EPOCHS = 100;
/** Of a run's length: 10 epochs of 100. */
const WARMUP = 0.1;

/**
 * The trainer's options: AdamW in the form of transformers 4, with a decay of 0.01 but for biases (the adapter's norm decays);
 * the learning rate once an epoch, from 0 in a line over the first tenth of the run, then along a cosine to 0; 100
 * epochs, no clipping, seed 3407.
 *
 * ```ts
 * const { learningRate, adapter } = MOSA_PRESETS.cub200;
 * const model = getPeftModel(host, new MosaConfig({ ...adapter, headInit: "kaiming" }));
 * const trainer = new Trainer(model, mosaRecipe({ train, validation, learningRate }));
 * ```
 *
 * @param overrides what differs; `train` is needed. Where neither `warmup` nor `warmupRatio` is given, the warm-up is a tenth
 *   of the run, in whatever `scheduleBy` counts: by epoch, the first epoch runs at a rate of 0, so let a short run count steps.
 */
export function mosaRecipe(overrides: Partial<TrainerOptions> & Pick<TrainerOptions, "train">): TrainerOptions {
  const { train, steps, epochs = steps === undefined ? EPOCHS : undefined, scheduleBy = "epoch" } = overrides;
  const { accumulate = 1, schedule, warmupRatio } = overrides;
  const stepsPerEpoch = Math.ceil(train.batchesPerEpoch / accumulate);
  const totalSteps = steps ?? epochs! * stepsPerEpoch;
  const total = scheduleBy === "step" ? totalSteps : Math.ceil(totalSteps / stepsPerEpoch);
  const hasOwnWarmup = typeof schedule === "function" || warmupRatio !== undefined;
  return {
    learningRate: MOSA_PRESETS.cub200.learningRate,
    optimizer: adamWLegacy({ betas: [0.9, 0.999], eps: 1e-6 }),
    weightDecay: 0.01,
    groups: [noDecay],
    schedule: "cosine",
    ...(hasOwnWarmup ? {} : { warmup: Math.round(WARMUP * total) }),
    scheduleBy,
    seed: 3407,
    ...overrides,
    epochs,
  };
}
