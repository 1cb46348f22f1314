// One training of the comparison: a method with a seed, from a fresh host to its accuracy on the test pictures.

import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  compose,
  DataLoader,
  evaluate,
  getPeftModel,
  type ImageProcessor,
  type PeftModel,
  randomCrop,
  randomHorizontalFlip,
  readJson,
  readRunLog,
  resizeTo,
  Trainer,
  ViTForImageClassification,
  writeJson,
} from "@peft/core";
import { mosaRecipe } from "@peft/mosa";
import { type CurvePoint, type Progress, startProgress } from "../report/index.js";
import { deployedNumbers, trainedNumbers } from "./counts.js";
import type { Method } from "./methods.js";
import type { Pictures } from "./pictures.js";

/** What a training leaves behind, also as `result.json` in its folder. */
export interface Result {
  readonly method: string;
  readonly seed: number;
  /** On the test pictures, 0 to 1, of the parameters that were best on the validation pictures. */
  readonly accuracy: number;
  readonly parametersTrained: number;
  /** Numbers added to the host once experts are merged, the head included. */
  readonly parametersDeployed: number;
  readonly stepsPerSecond: number;
  readonly points: readonly CurvePoint[];
}

export interface Setting {
  /** The folder of the pretrained model that is adapted. */
  readonly host: string;
  readonly pictures: Pictures;
  readonly processor: ImageProcessor;
  readonly epochs: number;
  readonly batchSize: number;
  readonly signal: AbortSignal;
}

/** Pictures are enlarged by this share before a random part of the host's size is cut out. */
const MARGIN = 1 / 8;
const RESULT = "result.json";

/** A host for these classes with a new head: the pretrained one, or one of random weights. */
export async function makeHost(
  folder: string,
  labels: readonly string[],
  seed: number,
  random = false,
): Promise<ViTForImageClassification> {
  const host = await ViTForImageClassification.fromPretrained(folder, { labels, seed });
  return random ? new ViTForImageClassification(host.config, { seed }) : host;
}

/** The loaders' options that every split shares. */
function loaderOptions({ processor, batchSize }: Setting) {
  return { batchSize, transform: processor.transform, normalization: processor.normalization };
}

export function testLoader(setting: Setting): DataLoader {
  return new DataLoader(setting.pictures.test, loaderOptions(setting));
}

/**
 * Trains a method, or goes on with its training where the folder holds a checkpoint; of a finished one the model is loaded
 * and the result read. Resolves with the result and the trained model, which belongs to the caller.
 */
export async function train(
  method: Method,
  seed: number,
  folder: string,
  setting: Setting,
): Promise<{ result: Result; model: PeftModel }> {
  const { pictures, processor, epochs, signal } = setting;
  const host = await makeHost(setting.host, pictures.classes, seed, method.randomHost);
  const model = getPeftModel(host, method.config, { seed });
  const { width, height } = processor.size;
  const larger = { width: Math.round(width * (1 + MARGIN)), height: Math.round(height * (1 + MARGIN)) };
  const augment = compose(resizeTo(larger, processor.filter), randomCrop(processor.size), randomHorizontalFlip());
  const options = loaderOptions(setting);
  const source = new DataLoader(pictures.train, { ...options, transform: augment, shuffle: true, seed });
  const trainer = new Trainer(
    model,
    mosaRecipe({
      train: source,
      validation: new DataLoader(pictures.validation, options),
      epochs,
      learningRate: method.learningRate,
      scheduleBy: "step",
      seed,
      outputDir: folder,
      resume: true,
      loadBest: true,
    }),
  );
  let progress: Progress | undefined;
  try {
    for await (const event of trainer.run({ signal })) {
      if (event.type === "start") {
        const label = `${method.name}, seed ${seed}`;
        progress = startProgress({ label, total: event.totalSteps, done: event.step });
      } else if (event.type === "step") progress?.update(event.step, `loss ${event.loss.toFixed(3)}`);
    }
  } finally {
    progress?.stop();
  }
  const finished = await finishedResult(folder);
  if (finished) return { result: finished, model };
  const { accuracy } = await evaluate(model, testLoader(setting), { signal });
  const result: Result = {
    method: method.name,
    seed,
    accuracy: accuracy ?? 0,
    parametersTrained: await trainedNumbers(model),
    parametersDeployed: await deployedNumbers(model),
    ...(await historyOf(method.name, seed, folder)),
  };
  await writeJson(join(folder, RESULT), result);
  return { result, model };
}

/** From the log, which also holds what was done before the training was stopped and gone on with. */
async function historyOf(
  method: string,
  seed: number,
  folder: string,
): Promise<Pick<Result, "stepsPerSecond" | "points">> {
  const points: CurvePoint[] = [];
  let stepsPerSecond = 0;
  for (const event of (await readRunLog(folder)).events) {
    const { step } = event;
    if (event.type === "step") {
      points.push({ method, seed, step, split: "train", loss: event.loss });
      stepsPerSecond = event.stepsPerSecond;
    } else if (event.type === "evaluation") {
      const { loss, accuracy } = event.metrics;
      points.push({ method, seed, step, split: "validation", loss, accuracy });
    }
  }
  return { stepsPerSecond, points };
}

/** The result of a training that is finished. */
export async function finishedResult(folder: string): Promise<Result | undefined> {
  return existsSync(join(folder, RESULT)) ? ((await readJson(join(folder, RESULT))) as Result) : undefined;
}
