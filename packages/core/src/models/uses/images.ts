// Pictures as a model's input.

import { decodeImage, type ImageProcessor, type RgbImage } from "../../data/index.js";
import { PeftError } from "../../errors.js";
import type { HostArray } from "../../hostArray.js";

/** A file's path, a file's bytes, or a decoded picture. */
export type ImageSource = string | Uint8Array | RgbImage;

export interface ImageUse {
  /** The checkpoint's, from `readImageProcessor`. */
  readonly processor: ImageProcessor;
}

/**
 * `pixelValues` of pictures, [pictures, 3, height, width].
 *
 * @throws PeftError ARGUMENT_INVALID for no pictures; IMAGE_INVALID, FILE_MISSING, PEER_MISSING without `sharp`
 */
export async function pixelsOf(
  images: readonly ImageSource[],
  processor: ImageProcessor,
): Promise<{ pixelValues: HostArray }> {
  if (images.length === 0) throw new PeftError("ARGUMENT_INVALID", "there are no pictures");
  const { width, height } = processor.size;
  const size = 3 * height * width;
  const data = new Float32Array(images.length * size);
  for (const [i, image] of images.entries()) {
    const isFile = typeof image === "string" || image instanceof Uint8Array;
    data.set(processor.process(isFile ? await decodeImage(image) : image), i * size);
  }
  return { pixelValues: { data, shape: [images.length, 3, height, width], dtype: "float32" } };
}
