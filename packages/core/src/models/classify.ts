// What is in a picture, in one call.

import type * as tf from "@tensorflow/tfjs";
import { decodeImage, type ImageProcessor, type RgbImage } from "../data/index.js";
import type { ModelArguments } from "./hostModel.js";
import { softmax } from "./softmax.js";

/** A class and its probability. */
export interface Classification {
  readonly label: string;
  /** 0 to 1; over all classes they add up to 1. */
  readonly score: number;
}

/** A model that can be called with `pixelValues`, such as a `ViTForImageClassification` or a `PeftModel` over one. */
export type PictureModel = (inputs: ModelArguments) => Promise<{ logits: tf.Tensor }>;

export interface ClassifyOptions {
  readonly processor: ImageProcessor;
  /** Class names in the order of the logits: the host's `config.labels`. */
  readonly labels: readonly string[];
  /** How many classes to give. @defaultValue 5 */
  readonly topK?: number;
}

/**
 * Names what is in a picture, the likeliest first.
 *
 * @param picture a file's path, a file's bytes, or a decoded picture
 * @throws PeftError IMAGE_INVALID for something that is no picture, FILE_MISSING, PEER_MISSING without `sharp`
 */
export async function classify(
  model: PictureModel,
  picture: string | Uint8Array | RgbImage,
  { processor, labels, topK = 5 }: ClassifyOptions,
): Promise<Classification[]> {
  const isFile = typeof picture === "string" || picture instanceof Uint8Array;
  const image = isFile ? await decodeImage(picture) : picture;
  const { width, height } = processor.size;
  const data = processor.process(image);
  const { logits } = await model({ pixelValues: { data, shape: [1, 3, height, width], dtype: "float32" } });
  const numbers = await logits.data<"float32">();
  logits.dispose();
  return softmax(numbers)
    .map((score, i) => ({ label: labels[i] ?? `LABEL_${i}`, score }))
    .sort((a, b) => b.score - a.score)
    .slice(0, topK);
}
