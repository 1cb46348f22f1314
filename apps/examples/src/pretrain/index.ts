// Pretrains the small vision transformer that the examples adapt: on six classes of CIFAR-10, so that the other four stay
// unseen. Resumable; about half an hour on two processors.

import { join, resolve } from "node:path";
import {
  adamW,
  augmentationKey,
  ContainerDataset,
  cached,
  compose,
  DataLoader,
  filterClasses,
  HALF_NORMALIZATION,
  type ImageDataset,
  makeFolder,
  noDecay,
  parseViTConfig,
  randomCrop,
  randomHorizontalFlip,
  resizeTo,
  subset,
  type TrainableModel,
  Trainer,
  type Transform,
  ViTForImageClassification,
  writeJson,
} from "@peft/core";
import { repeatCommand } from "../command.js";
import { listenForInterrupt } from "../interrupt.js";
import { type Progress, startProgress } from "../report/index.js";

/** The classes that the host learns; the example adapts it to the other four. */
export const PRETRAINING_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog"] as const;

/** 0.55 M weights: 4 blocks of width 128 over 64 patches of 4x4 pixels. */
export const HOST_CONFIG = {
  hidden_size: 128,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  intermediate_size: 256,
  image_size: 32,
  patch_size: 4,
  layer_norm_eps: 1e-6,
} as const;

const BATCH = 64;
/** Pictures are enlarged by this many pixels before a random part of the host's size is cut out. */
const MARGIN = 6;

export interface PretrainOptions {
  /** The folder of the CIFAR-10 container. */
  data: string;
  epochs: number;
  /** Share of the training pictures that is used. */
  share: number;
  /** Where checkpoints and the finished model go. */
  out: string;
  /** Go on from the checkpoint in `out`. */
  resume: boolean;
}

/** Resolves with the folder of the finished model: `config.json`, `preprocessor_config.json`, `model.safetensors`. */
export async function pretrain(options: PretrainOptions): Promise<string> {
  const out = resolve(options.out);
  const open = async (name: string): Promise<ImageDataset> =>
    filterClasses(await ContainerDataset.open(join(options.data, `${name}.json`)), [...PRETRAINING_CLASSES]);
  const train = cached(every(await open("train"), Math.round(1 / options.share)));
  const validation = cached(await open("dev"));
  const size = { width: HOST_CONFIG.image_size, height: HOST_CONFIG.image_size };
  const larger = { width: size.width + MARGIN, height: size.height + MARGIN };
  const augment = compose(resizeTo(larger, "bicubic"), randomCrop(size), randomHorizontalFlip(), erase(8));

  const id2label = Object.fromEntries(PRETRAINING_CLASSES.map((name, i) => [String(i), name]));
  const config = parseViTConfig({ ...HOST_CONFIG, id2label }, "the examples' host");
  const model = new ViTForImageClassification(config, { seed: 1 });
  const trainable: TrainableModel = {
    forward: (inputs) => model.forward(inputs),
    loss: (output, batch) => model.loss(output, batch),
    trainableParameters: () => model.parameters(),
  };
  const loader = { batchSize: BATCH, normalization: HALF_NORMALIZATION };
  const trainer = new Trainer(trainable, {
    train: new DataLoader(train, { ...loader, transform: augment, shuffle: true, seed: 1, lastBatch: "drop" }),
    validation: new DataLoader(validation, loader),
    epochs: options.epochs,
    learningRate: 1e-3,
    optimizer: adamW(),
    weightDecay: 0.05,
    groups: [noDecay, { match: /layernorm|cls_token|position_embeddings/, weightDecay: 0 }],
    schedule: "cosine",
    warmup: 300,
    clipNorm: 1,
    seed: 1,
    outputDir: out,
    resume: options.resume ? out : undefined,
    logEvery: 20,
  });

  await makeFolder(out);
  const interrupt = listenForInterrupt({
    onInterrupt: () =>
      console.error(`stopping; go on with: ${repeatCommand("pretrain", { ...options, resume: true })}`),
  });
  let progress: Progress | undefined;
  let validated = "";
  try {
    for await (const event of trainer.run({ signal: interrupt.signal })) {
      if (event.type === "start") {
        progress = startProgress({ label: "pretraining", total: event.totalSteps, done: event.step });
      }
      if (event.type === "step") progress?.update(event.step, `loss ${event.loss.toFixed(3)}${validated}`);
      if (event.type === "evaluation") {
        validated = `  validation ${(100 * (event.metrics.accuracy ?? 0)).toFixed(1)} %`;
        console.error(`epoch ${event.epoch + 1}${validated}`);
      }
    }
  } finally {
    progress?.stop();
    interrupt.release();
  }
  return saveHalf(model, join(out, "model"));
}

/** Every n-th example, so that a smaller share is a part of a larger one. */
function every(dataset: ImageDataset, n: number): ImageDataset {
  if (n <= 1) return dataset;
  return subset(
    dataset,
    Array.from({ length: Math.floor(dataset.length / n) }, (_, i) => i * n),
  );
}

/** Random erasing: a square of mid grey at a random place, which may hang over the edge. */
function erase(side: number): Transform {
  return (image, key) => {
    const data = image.data.slice();
    const left = (augmentationKey(key, 0) % image.width) - side / 2;
    const top = (augmentationKey(key, 1) % image.height) - side / 2;
    for (let y = Math.max(0, top); y < Math.min(image.height, top + side); y++) {
      for (let x = Math.max(0, left); x < Math.min(image.width, left + side); x++) {
        data.fill(128, 3 * (y * image.width + x), 3 * (y * image.width + x + 1));
      }
    }
    return { ...image, data };
  };
}

/** Writes the model as transformers reads it, in half precision. */
async function saveHalf(model: ViTForImageClassification, folder: string): Promise<string> {
  await model.savePretrained(folder, { dtype: "float16" });
  const { mean, std } = HALF_NORMALIZATION;
  const side = HOST_CONFIG.image_size;
  await writeJson(join(folder, "preprocessor_config.json"), {
    image_processor_type: "ViTImageProcessor",
    do_normalize: true,
    do_rescale: true,
    do_resize: true,
    image_mean: mean,
    image_std: std,
    rescale_factor: 1 / 255,
    resample: 3,
    size: { height: side, width: side },
  });
  return folder;
}
