// How a model wants its pictures: what `preprocessor_config.json` or `processor_config.json` beside its weights says.

import * as v from "valibot";
import { PeftError } from "../errors.js";
import { readPreprocessorConfig } from "../files/preprocessorConfig.js";
import { centerCrop, resizeShortestEdge, type Size } from "./geometry.js";
import type { RgbImage } from "./image.js";
import { HALF_NORMALIZATION, type Normalization, toFloatCHW } from "./normalize.js";
import { type ResizeFilter, resize } from "./resize.js";
import type { Transform } from "./transforms.js";

/** PIL's numbers of its filters, as `resample` has them. */
const FILTERS: readonly ResizeFilter[] = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"];

/** What a file leaves out is a matter of the class that it names. */
interface Defaults {
  readonly size: Size | ShortestEdge;
  readonly resample: number;
  readonly crop: Size | undefined;
  readonly normalization: Normalization;
}

interface ShortestEdge {
  readonly shortest: number;
}

const square = (side: number): Size => ({ width: side, height: side });
const VIT: Defaults = { size: square(224), resample: 2, crop: undefined, normalization: HALF_NORMALIZATION };
/** By the name of transformers' class; Swin's checkpoints name ViT's. */
const KINDS: Readonly<Record<string, Defaults>> = {
  ViTImageProcessor: VIT,
  DeiTImageProcessor: { size: square(256), resample: 3, crop: square(224), normalization: HALF_NORMALIZATION },
  CLIPImageProcessor: {
    size: { shortest: 224 },
    resample: 3,
    crop: square(224),
    normalization: {
      mean: [0.48145466, 0.4578275, 0.40821073],
      std: [0.26862954, 0.26130258, 0.27577711],
    },
  },
};

const triple = v.tuple([v.number(), v.number(), v.number()]);
const side = v.pipe(v.number(), v.integer(), v.minValue(1));
const sides = v.strictObject({ height: side, width: side });
const Schema = v.object({
  image_processor_type: v.optional(v.string()),
  feature_extractor_type: v.optional(v.string()),
  do_resize: v.optional(v.boolean(), true),
  size: v.optional(v.union([side, sides, v.strictObject({ shortest_edge: side })])),
  resample: v.optional(v.picklist([0, 1, 2, 3, 4, 5])),
  do_center_crop: v.optional(v.nullable(v.boolean())),
  crop_size: v.optional(v.nullable(v.union([side, sides]))),
  do_rescale: v.optional(v.boolean(), true),
  rescale_factor: v.optional(v.number(), 1 / 255),
  do_normalize: v.optional(v.boolean(), true),
  image_mean: v.optional(triple),
  image_std: v.optional(triple),
});
type Fields = v.InferOutput<typeof Schema>;

export interface ImageProcessor {
  /** Resizes, and crops, to the model's size; for a data loader. */
  readonly transform: Transform;
  readonly normalization: Normalization;
  readonly size: Size;
  readonly filter: ResizeFilter;
  /** A picture as the model's input: [3, height, width]. */
  process(image: RgbImage): Float32Array;
}

/**
 * Reads `preprocessor_config.json` of a model's folder, or "image_processor" of its `processor_config.json`, as
 * transformers' image processors of ViT, Swin, DeiT and CLIP understand it (their PIL path, whose bits it gives). Where it
 * names no class, the defaults are ViT's: 224x224, bilinear, to [-1, 1].
 *
 * @throws PeftError FILE_MISSING; CONFIG_INVALID naming the field, also for another class, or for pictures that would keep a
 *   size of their own; JSON_INVALID
 */
export async function readImageProcessor(directory: string): Promise<ImageProcessor> {
  const { json, place } = await readPreprocessorConfig(directory, ["image_processor"]);
  const parsed = v.safeParse(Schema, json);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new PeftError("CONFIG_INVALID", `${v.getDotPath(issue) ?? "the file"}: ${issue.message}`, { place });
  }
  return imageProcessor(parsed.output, place);
}

function imageProcessor(fields: Fields, place: string): ImageProcessor {
  const defaults = defaultsOf(fields, place);
  const scaled = sizeOf(fields, defaults);
  const cropped = cropOf(fields, defaults);
  if (fields.do_resize && "shortest" in scaled && !cropped) {
    throw new PeftError("CONFIG_INVALID", "size: with a shortest edge and no crop, pictures differ in size", {
      place,
      hint: 'give "size" a height and a width, or set "do_center_crop" and "crop_size"',
    });
  }
  const filter = FILTERS[fields.resample ?? defaults.resample]!;
  const { mean, std } = defaults.normalization;
  const normalization: Normalization = {
    mean: fields.do_normalize ? (fields.image_mean ?? mean) : [0, 0, 0],
    std: fields.do_normalize ? (fields.image_std ?? std) : [1, 1, 1],
    rescale: fields.do_rescale ? fields.rescale_factor : 1,
  };
  const transform: Transform = (image) => {
    const resized = fields.do_resize ? resizeTo(image, scaled, filter) : image;
    return cropped ? centerCrop(resized, cropped, "transformers") : resized;
  };
  return {
    transform,
    normalization,
    size: cropped ?? (scaled as Size),
    filter,
    process: (image) => toFloatCHW(transform(image, 0), normalization),
  };
}

/** `ViTFeatureExtractor`, `ViTImageProcessorFast` and `ViTImageProcessor` are one. */
function defaultsOf({ image_processor_type, feature_extractor_type }: Fields, place: string): Defaults {
  const named = image_processor_type ?? feature_extractor_type;
  if (named === undefined) return VIT;
  const kind = named.replace(/Fast$/, "").replace(/FeatureExtractor$/, "ImageProcessor");
  const found = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  if (found) return found;
  throw new PeftError("CONFIG_INVALID", `image_processor_type: ${named} is none of ${Object.keys(KINDS).join(", ")}`, {
    place,
    hint: "prepare the pictures with resize, centerCrop and toFloatCHW",
  });
}

/** In old files a plain number, which means the shortest edge where the class's default is one. */
function sizeOf({ size }: Fields, defaults: Defaults): Size | ShortestEdge {
  if (size === undefined) return defaults.size;
  if (typeof size === "number") return "shortest" in defaults.size ? { shortest: size } : square(size);
  return "shortest_edge" in size ? { shortest: size.shortest_edge } : size;
}

function cropOf({ do_center_crop, crop_size }: Fields, defaults: Defaults): Size | undefined {
  if (!(do_center_crop ?? defaults.crop !== undefined)) return undefined;
  return typeof crop_size === "number" ? square(crop_size) : (crop_size ?? defaults.crop);
}

function resizeTo(image: RgbImage, size: Size | ShortestEdge, filter: ResizeFilter): RgbImage {
  return "shortest" in size ? resizeShortestEdge(image, size.shortest, filter) : resize(image, size, filter);
}
