// What pictures show as vectors, in one call.

import type * as tf from "@tensorflow/tfjs";
import type { ModelInputs } from "../hostModel.js";
import { type ImageSource, type ImageUse, pixelsOf } from "./images.js";
import { type EmbedOptions, vectorsOf } from "./vectors.js";

/** A model with vectors for pictures. */
export interface ImageFeatures {
  /** [pictures, width] */
  imageFeatures(inputs: ModelInputs): tf.Tensor;
}

export interface EmbedImageOptions extends EmbedOptions, ImageUse {}

/**
 * The vector of each picture.
 *
 * @param model a `CLIPModel` or `CLIPVisionModel`, whose vectors may be compared with those of texts, or a `ViTModel`, which
 *   gives its class token
 * @throws PeftError ARGUMENT_INVALID for no pictures; IMAGE_INVALID, FILE_MISSING, PEER_MISSING without `sharp`
 */
export async function embedImage(
  model: ImageFeatures,
  images: readonly ImageSource[],
  { processor, ...options }: EmbedImageOptions,
): Promise<Float32Array[]> {
  const inputs = await pixelsOf(images, processor);
  return vectorsOf(model, inputs, "image", (batch) => model.imageFeatures(batch), options);
}
