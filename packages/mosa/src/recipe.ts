// How the paper trains (`mosa.md` §6), top to bottom: host, pictures, batch, optimizer, learning rate; and what differs from
// data set to data set.

import { adamWLegacy, noDecay, type TrainerOptions, type ViTLoadingOptions } from "@peft/core";
import type { MosaFields } from "./config.js";

/** The host as the paper has it: dropout stays live in the frozen backbone while adapters train. */
export const MOSA_HOST: Required<Pick<ViTLoadingOptions, "dropout" | "layerNormEps" | "positionResize">> = {
  dropout: { embeddings: 0.1, attention: 0, mlp: 0.1 },
  layerNormEps: 1e-6,
  positionResize: "bilinear",
};

// Pictures: short side to 256, a random crop of 224 and a flip in training, the centre in tests, and ImageNet's mean and
// deviation (`IMAGENET_NORMALIZATION`), not the [-1, 1] of these checkpoints' own processor.

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
 * const { learningRate, ...fields } = MOSA_PRESETS.cub200;
 * const model = getPeftModel(host, new MosaConfig({ ...fields, headInit: "kaiming" }));
 * const trainer = new Trainer(model, mosaRecipe({ train, validation, learningRate }));
 * ```
 *
 * @param overrides what differs; `train` is needed. A warm-up that is not given is a tenth of the run, in whatever
 *   `scheduleBy` counts: by epoch, the first epoch runs at a rate of 0, so let a short run count steps.
 */
export function mosaRecipe(overrides: Partial<TrainerOptions> & Pick<TrainerOptions, "train">): TrainerOptions {
  const { train, steps, epochs = steps === undefined ? EPOCHS : undefined, scheduleBy = "epoch" } = overrides;
  const totalSteps = steps ?? epochs! * train.batchesPerEpoch;
  const total = scheduleBy === "step" ? totalSteps : Math.ceil(totalSteps / train.batchesPerEpoch);
  const hasOwnSchedule = typeof overrides.schedule === "function";
  return {
    learningRate: MOSA_PRESETS.cub200.learningRate,
    optimizer: adamWLegacy({ betas: [0.9, 0.999], eps: 1e-6 }),
    weightDecay: 0.01,
    groups: [noDecay],
    schedule: "cosine",
    ...(hasOwnSchedule ? {} : { warmup: Math.round(WARMUP * total) }),
    scheduleBy,
    seed: 3407,
    ...overrides,
    epochs,
  };
}

/** What the published scripts set for a data set. */
export type MosaPreset = Pick<MosaFields, "numExperts" | "split" | "bottleneck" | "deepReg"> & {
  readonly learningRate: number;
};

type PresetName =
  | "cub200"
  | "nabirds"
  | "flowers102"
  | "stanfordDogs"
  | "stanfordCars"
  | "fgvcMultiTask"
  | "cifar100"
  | "food101"
  | "fgvcAircraft"
  | "vtab1k";

const usual = { numExperts: 4, split: "up-only", bottleneck: 64, deepReg: false } as const;

export const MOSA_PRESETS: Readonly<Record<PresetName, MosaPreset>> = {
  cub200: { ...usual, learningRate: 1e-3 },
  nabirds: { ...usual, learningRate: 5e-4 },
  flowers102: { ...usual, learningRate: 5e-3 },
  stanfordDogs: { ...usual, learningRate: 5e-4 },
  stanfordCars: { ...usual, learningRate: 5e-3, numExperts: 2, split: "down-only", deepReg: true },
  fgvcMultiTask: { ...usual, learningRate: 5e-4, numExperts: 2, split: "both" },
  cifar100: { ...usual, learningRate: 5e-4 },
  food101: { ...usual, learningRate: 5e-4 },
  fgvcAircraft: { ...usual, learningRate: 5e-3 },
  vtab1k: { ...usual, learningRate: 5e-3, bottleneck: 16 },
};
