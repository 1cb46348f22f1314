// Writing .safetensors files as the reference implementation does, byte for byte: widest element type first, then names
// by code point; compact JSON, padded with blanks to a multiple of 8 bytes.

import { PeftError } from "../errors.js";
import { writeAtomically } from "./atomic.js";
import { elementCount, type HostTensor } from "./hostTensor.js";
import { compareCodePoints } from "./json.js";
import { dtypeTag, LENGTH_BYTES, MAX_HEADER_BYTES, MAX_NAME_LENGTH, MAX_RANK } from "./safetensorsHeader.js";

/** Tensors by name, as a map or as an object. */
export type NamedTensors = ReadonlyMap<string, HostTensor> | Readonly<Record<string, HostTensor>>;

/** What Python's loaders ask of a file: transformers refuses one without a `format`. */
export const PYTORCH_METADATA: Readonly<Record<string, string>> = { format: "pt" };

/**
 * Writes tensors to a file, atomically; missing folders are made. `metadata` is the header's `__metadata__`.
 *
 * @throws PeftError FILE_UNWRITABLE; ARGUMENT_INVALID for a tensor whose shape does not fit its data, and for names and
 *   metadata that the format cannot hold. In either case no file is left behind.
 */
export async function writeSafetensors(
  path: string,
  tensors: NamedTensors,
  metadata: Readonly<Record<string, string>> = PYTORCH_METADATA,
): Promise<void> {
  await writeAtomically(path, serialize(entriesOf(tensors), metadata, path));
}

/** The bytes that `writeSafetensors` would write. */
export function serializeSafetensors(
  tensors: NamedTensors,
  metadata: Readonly<Record<string, string>> = PYTORCH_METADATA,
): Uint8Array {
  return new Uint8Array(Buffer.concat(serialize(entriesOf(tensors), metadata)));
}

/** The tensors as a list, in the order in which they were given. */
export function entriesOf(tensors: NamedTensors): [string, HostTensor][] {
  return isMap(tensors) ? [...tensors] : Object.entries(tensors);
}

function isMap(tensors: NamedTensors): tensors is ReadonlyMap<string, HostTensor> {
  return typeof tensors.entries === "function";
}

function serialize(
  entries: [string, HostTensor][],
  metadata: Readonly<Record<string, string>>,
  place?: string,
): Uint8Array[] {
  for (const [name, tensor] of entries) checkTensor(name, tensor, place);
  for (const [key, value] of Object.entries(metadata)) checkText(key, value, place);
  const sorted = entries
    .map(([name, tensor]) => ({ name, tensor, ...dtypeTag(tensor.dtype) }))
    .sort((a, b) => a.rank - b.rank || compareCodePoints(a.name, b.name));

  const fields: string[] = [];
  if (Object.keys(metadata).length > 0) fields.push(`"__metadata__":${JSON.stringify(metadata)}`);
  let begin = 0;
  for (const { name, tag, tensor } of sorted) {
    const end = begin + tensor.data.byteLength;
    const info = { dtype: tag, shape: tensor.shape, data_offsets: [begin, end] };
    fields.push(`${JSON.stringify(name)}:${JSON.stringify(info)}`);
    begin = end;
  }
  const json = new TextEncoder().encode(`{${fields.join(",")}}`);
  const header = new Uint8Array(LENGTH_BYTES + Math.ceil(json.length / 8) * 8).fill(0x20);
  if (header.length - LENGTH_BYTES > MAX_HEADER_BYTES)
    throw refused("names and metadata fill too large a header", place);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - LENGTH_BYTES), true);
  header.set(json, LENGTH_BYTES);
  return [
    header,
    ...sorted.map(({ tensor: { data } }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  ];
}

/** Half of a surrogate pair alone: no UTF-8 stands for it. */
const LONE_SURROGATE = /\p{Surrogate}/u;

function checkTensor(name: string, { shape, data }: HostTensor, place?: string): void {
  if (name === "__metadata__" || name.length > MAX_NAME_LENGTH || LONE_SURROGATE.test(name)) {
    throw refused(`${JSON.stringify(name.slice(0, 100))} cannot be the name of a tensor`, place);
  }
  const isShape = shape.length <= MAX_RANK && shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  if (!isShape || elementCount(shape) !== data.length) {
    throw refused(`the tensor "${name}" has the shape [${shape}] and ${data.length} numbers`, place);
  }
}

function checkText(key: string, value: unknown, place?: string): void {
  if (typeof value !== "string" || LONE_SURROGATE.test(`${key} ${value}`)) {
    throw refused(`the metadata "${key}" is not a string of whole characters`, place);
  }
}

function refused(message: string, place?: string): PeftError {
  return new PeftError("ARGUMENT_INVALID", message, { place });
}
