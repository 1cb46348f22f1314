// The header of a .safetensors file: a little-endian uint64 length, then JSON
// {"name": {"dtype", "shape", "data_offsets"}, ..., "__metadata__"?: {string: string}}, then the numbers without holes.
// Format: https://github.com/huggingface/safetensors. A header comes from strangers, so everything in it is checked.

import { PeftError } from "../errors.js";
import { type DType, elementBytes } from "./hostTensor.js";
import { parseStrictJson } from "./strictJson.js";

/** The limit of the reference implementation; it bounds what a hostile length can make us allocate. */
export const MAX_HEADER_BYTES = 100_000_000;
/** A module path is tens of characters; a longer name would only serve to flood error messages and logs. */
export const MAX_NAME_LENGTH = 4_096;
/** The largest sharded models have about 100,000 tensors. */
export const MAX_TENSORS = 1_000_000;
/** NumPy's limit; models stay below 7. */
export const MAX_RANK = 64;

/** Bytes before the header's JSON. */
export const LENGTH_BYTES = 8;

/** In the order in which the reference implementation sorts the tensors of a file that it writes. */
const TAGS: readonly (readonly [tag: string, dtype: DType])[] = [
  ["I64", "int64"],
  ["F32", "float32"],
  ["I32", "int32"],
  ["BF16", "bfloat16"],
  ["F16", "float16"],
  ["I8", "int8"],
  ["U8", "uint8"],
  ["BOOL", "bool"],
];
const DTYPE_OF_TAG: ReadonlyMap<string, DType> = new Map(TAGS);

/** What a file says of one tensor; `begin` and `end` count bytes from the start of the numbers. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** In the order of the numbers in the file. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The error for a file that is not what the format asks for; `place` is the file. */
export function invalid(message: string, place: string | undefined, cause?: unknown): PeftError {
  return new PeftError("SAFETENSORS_INVALID", `not a valid safetensors file: ${message}`, {
    place,
    hint: "the file is damaged or was not written by a safetensors library: fetch or save it again",
    cause,
  });
}

/**
 * Reads the length in a file's first bytes and checks it against the file's size.
 *
 * @throws PeftError SAFETENSORS_INVALID
 */
export function parseHeaderLength(start: Uint8Array, fileBytes: number, place?: string): number {
  if (start.length < LENGTH_BYTES) throw invalid(`${fileBytes} bytes are too few to hold a header`, place);
  if (new TextDecoder("latin1").decode(start.subarray(0, LENGTH_BYTES)) === "version ") {
    throw new PeftError("SAFETENSORS_INVALID", "this is a Git LFS pointer, not the file itself", {
      place,
      hint: "run `git lfs pull` in its repository, or download the file from the hub",
    });
  }
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES) throw invalid(`a header of ${length} bytes (limit ${MAX_HEADER_BYTES})`, place);
  if (LENGTH_BYTES + Number(length) > fileBytes) {
    throw invalid(`a header of ${length} bytes in a file of ${fileBytes} bytes`, place);
  }
  return Number(length);
}

/**
 * Parses and checks a header's JSON. `dataBytes` is the number of bytes that follow it: the tensors must fill them
 * without holes or overlaps.
 *
 * @throws PeftError SAFETENSORS_INVALID
 */
export function parseHeader(json: Uint8Array, dataBytes: number, place?: string): SafetensorsHeader {
  const fail = (message: string, cause?: unknown) => invalid(message, place, cause);
  if (json[0] !== 0x7b) throw fail("the header is not a JSON object");
  let root: Record<string, unknown>;
  try {
    root = parseStrictJson(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(json)) as typeof root;
  } catch (cause) {
    throw fail(`the header is not JSON: ${(cause as Error).message}`, cause);
  }

  const { __metadata__: metadata = {}, ...entries } = root;
  if (!isObject(metadata) || !Object.values(metadata).every((value) => typeof value === "string")) {
    throw fail("__metadata__ is not an object of strings");
  }
  const names = Object.keys(entries);
  if (names.length > MAX_TENSORS) throw fail(`${names.length} tensors (limit ${MAX_TENSORS})`);

  const infos = names.map((name) => parseInfo(name, entries[name], fail));
  infos.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let filled = 0;
  for (const { name, begin, end } of infos) {
    if (begin !== filled) {
      throw fail(`the bytes of ${quote(name)} start at ${begin}, but those before it end at ${filled}`);
    }
    filled = end;
  }
  if (filled !== dataBytes) throw fail(`the tensors fill ${filled} bytes, but the file holds ${dataBytes}`);
  return { tensors: new Map(infos.map((info) => [info.name, info])), metadata: metadata as Record<string, string> };
}

function parseInfo(name: string, entry: unknown, fail: (message: string) => PeftError): TensorInfo {
  if (name.length > MAX_NAME_LENGTH) throw fail(`a name of ${name.length} characters (limit ${MAX_NAME_LENGTH})`);
  if (!isObject(entry)) throw fail(`the entry ${quote(name)} is not an object`);
  const { dtype: tag, shape, data_offsets: offsets } = entry;
  if (typeof tag !== "string") throw fail(`${quote(name)} has no dtype`);
  const dtype = DTYPE_OF_TAG.get(tag);
  if (dtype === undefined) {
    throw fail(`${quote(name)} has the dtype ${tag.slice(0, 20)}; read are ${[...DTYPE_OF_TAG.keys()].join(", ")}`);
  }
  if (!Array.isArray(shape) || !shape.every(isSize))
    throw fail(`${quote(name)} has a shape that is not a list of sizes`);
  if (shape.length > MAX_RANK) throw fail(`${quote(name)} has ${shape.length} dimensions (limit ${MAX_RANK})`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    throw fail(`${quote(name)} has data_offsets that are not two sizes`);
  }
  const [begin, end] = offsets as [number, number];
  // A product beyond 2^53 is inexact but stays above every legal number of bytes, unless a later factor is 0.
  const bytes = shape.includes(0) ? 0 : shape.reduce((product, size) => product * size, elementBytes(dtype));
  if (!Number.isSafeInteger(bytes)) throw fail(`${quote(name)} has an impossible shape [${shape}]`);
  if (end - begin !== bytes) {
    throw fail(`${quote(name)}, ${tag} [${shape}], needs ${bytes} bytes, but its data_offsets are [${begin}, ${end}]`);
  }
  return { name, dtype, shape, begin, end };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function quote(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}...` : name);
}

/** The format's name of an element type, and its rank in the order of a file's tensors: widest first. */
export function dtypeTag(dtype: DType): { tag: string; rank: number } {
  const rank = TAGS.findIndex(([, candidate]) => candidate === dtype);
  return { tag: TAGS[rank]![0], rank };
}
