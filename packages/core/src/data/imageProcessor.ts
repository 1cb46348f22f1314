// How a model wants its pictures: what `preprocessor_config.json` beside its weights says.

import { join } from "node:path";
import * as v from "valibot";
import { PeftError } from "../errors.js";
import { readJson } from "../files/index.js";
import type { RgbImage } from "./image.js";
import { type Normalization, toFloatCHW } from "./normalize.js";
import { type ResizeFilter, resize } from "./resize.js";
import type { Transform } from "./transforms.js";

/** PIL's numbers of its filters, as `resample` has them. */
const FILTERS: readonly ResizeFilter[] = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"];

const triple = v.tuple([v.number(), v.number(), v.number()]);
const side = v.pipe(v.number(), v.integer(), v.minValue(1));
/** The defaults are those of transformers' ViTImageProcessor. */
const Schema = v.object({
  do_resize: v.optional(v.boolean(), true),
  size: v.optional(v.union([side, v.object({ height: side, width: side })]), 224),
  resample: v.optional(v.picklist([0, 1, 2, 3, 4, 5]), 2),
  do_rescale: v.optional(v.boolean(), true),
  rescale_factor: v.optional(v.number(), 1 / 255),
  do_normalize: v.optional(v.boolean(), true),
  image_mean: v.optional(triple, [0.5, 0.5, 0.5]),
  image_std: v.optional(triple, [0.5, 0.5, 0.5]),
});

export interface ImageProcessor {
  /** Resizes to the model's size; for a data loader. */
  readonly transform: Transform;
  readonly normalization: Normalization;
  readonly size: { readonly width: number; readonly height: number };
  readonly filter: ResizeFilter;
  /** A picture as the model's input: [3, height, width]. */
  process(image: RgbImage): Float32Array;
}

/**
 * Reads `preprocessor_config.json` of a model's folder, as transformers' ViTImageProcessor understands it; without the
 * file, that processor's defaults: 224x224, bilinear, to [-1, 1].
 *
 * @throws PeftError CONFIG_INVALID naming the field, JSON_INVALID
 */
export async function readImageProcessor(directory: string): Promise<ImageProcessor> {
  const place = join(directory, "preprocessor_config.json");
  const json = await readJson(place).catch((error) => {
    if (error instanceof PeftError && error.code === "FILE_MISSING") return {};
    throw error;
  });
  const parsed = v.safeParse(Schema, json);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new PeftError("CONFIG_INVALID", `${v.getDotPath(issue) ?? "the file"}: ${issue.message}`, { place });
  }
  const {
    do_resize,
    size: given,
    resample,
    do_rescale,
    rescale_factor,
    do_normalize,
    image_mean,
    image_std,
  } = parsed.output;
  const size = typeof given === "number" ? { width: given, height: given } : given;
  const filter = FILTERS[resample]!;
  const normalization: Normalization = {
    mean: do_normalize ? image_mean : [0, 0, 0],
    std: do_normalize ? image_std : [1, 1, 1],
    rescale: do_rescale ? rescale_factor : 1,
  };
  const transform: Transform = (image) => (do_resize ? resize(image, size, filter) : image);
  return { transform, normalization, size, filter, process: (image) => toFloatCHW(transform(image, 0), normalization) };
}
