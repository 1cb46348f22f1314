// Pictures in memory, and decoding them as PIL's `Image.open(file).convert("RGB")` does: alpha is dropped (not blended),
// palettes are looked up, a TIFF's orientation is applied, that of other formats and colour profiles are not. Decoding is
// sharp's.

import { readFile } from "node:fs/promises";
import type { Metadata, Sharp } from "sharp";
import { PeftError } from "../errors.js";
import { unreadable } from "../files/fileErrors.js";
import { loadPeer } from "../peer.js";

/** A picture: `data` is `[height, width, 3]`, red, green, blue, 0 to 255. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A colour: red, green, blue, 0 to 255. */
export type Rgb = readonly [red: number, green: number, blue: number];

/** PIL's own limit (256 MiB of RGB), above which it warns of a decompression bomb; here it is an error. */
export const MAX_IMAGE_PIXELS = 89_478_485;

/** The pixel formats; sharp would also render vector graphics and documents, which may refer to other files. */
const FORMATS: ReadonlySet<string> = new Set(["jpeg", "png", "webp", "gif", "tiff"]);

/**
 * Decodes a JPEG, PNG, WebP, GIF or TIFF file (the first frame), given by path or by its bytes. Bits equal PIL's, but
 * for the colour under fully transparent pixels of a GIF.
 *
 * @throws PeftError PEER_MISSING without the optional package sharp; FILE_MISSING, FILE_UNREADABLE; IMAGE_INVALID for
 *   what is no such picture, is cut off, is larger than MAX_IMAGE_PIXELS, or is CMYK. `place` names the origin of bytes.
 */
export async function decodeImage(pathOrBytes: string | Uint8Array, place?: string): Promise<RgbImage> {
  const sharp = (await loadPeer("sharp", "pictures are decoded by", () => import("sharp"))).default;
  const where = place ?? (typeof pathOrBytes === "string" ? pathOrBytes : "image bytes");
  const bytes = typeof pathOrBytes === "string" ? await readImageFile(pathOrBytes) : pathOrBytes;
  try {
    const picture = sharp(bytes, { limitInputPixels: MAX_IMAGE_PIXELS, failOn: "error", ignoreIcc: true });
    return await toRgb(picture, await picture.metadata(), where);
  } catch (cause) {
    if (cause instanceof PeftError) throw cause;
    throw imageInvalid(`cannot be decoded: ${(cause as Error).message}`, where, cause);
  }
}

async function toRgb(picture: Sharp, metadata: Metadata, place: string): Promise<RgbImage> {
  if (!FORMATS.has(metadata.format)) throw imageInvalid(`the format ${metadata.format} is not read`, place);
  if (metadata.space === "cmyk") throw imageInvalid("CMYK pictures are not read", place);
  const isWide = metadata.depth === "ushort";
  if (metadata.depth !== "uchar" && !isWide) throw imageInvalid(`${metadata.depth} pixels are not read`, place);
  const isGrey = metadata.channels < 3;
  const space = isGrey ? (isWide ? "grey16" : "b-w") : isWide ? "rgb16" : "srgb";
  const turned = metadata.format === "tiff" ? picture.autoOrient() : picture;
  const { data, info } = await turned
    .removeAlpha()
    .toColourspace(space)
    .raw({ depth: isWide ? "ushort" : "uchar" })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  let levels: Uint8Array = data;
  if (isWide)
    levels = narrow(new Uint16Array(data.buffer, data.byteOffset, data.length / 2), isGrey && !metadata.hasAlpha);
  return { width, height, data: channels === 1 ? repeatThreeTimes(levels) : levels };
}

/** PIL takes the upper byte of 16-bit colours, but cuts plain 16-bit grey off at 255. */
function narrow(levels: Uint16Array, cutOff: boolean): Uint8Array {
  return Uint8Array.from(levels, cutOff ? (level) => Math.min(level, 255) : (level) => level >> 8);
}

function repeatThreeTimes(grey: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(grey.length * 3);
  for (let i = 0; i < grey.length; i++) rgb.fill(grey[i]!, 3 * i, 3 * i + 3);
  return rgb;
}

async function readImageFile(path: string): Promise<Uint8Array> {
  return readFile(path).catch((cause) => {
    throw unreadable(path, cause);
  });
}

function imageInvalid(message: string, place: string, cause?: unknown): PeftError {
  return new PeftError("IMAGE_INVALID", `not a picture that can be used: ${message}`, {
    place,
    hint: "remove the file, or save it again as an RGB JPEG or PNG",
    cause,
  });
}
