// What is in pictures, in one call.

import type { CallableModel } from "./call.js";
import { type Classification, type ClassifyOptions, classesOf } from "./classes.js";
import { type ImageSource, type ImageUse, pixelsOf } from "./images.js";

export interface ClassifyImageOptions extends ClassifyOptions, ImageUse {}

/**
 * Names what is in each picture, the likeliest first.
 *
 * @param model such as a `ViTForImageClassification`
 * @throws PeftError ARGUMENT_INVALID for no pictures; IMAGE_INVALID for something that is no picture, FILE_MISSING,
 *   PEER_MISSING without `sharp`
 */
export async function classifyImage(
  model: CallableModel,
  images: readonly ImageSource[],
  { processor, ...options }: ClassifyImageOptions,
): Promise<Classification[][]> {
  return classesOf(model, await pixelsOf(images, processor), options);
}
