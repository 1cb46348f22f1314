// Reading .safetensors files by byte range: opening reads the header only, and each tensor is read straight into a
// buffer of its own, which is therefore aligned, never copied, and can be transferred to a worker.
// Numbers are little-endian in the file and taken as they are: so are all machines that Node runs its inference on.

import { type FileHandle, open } from "node:fs/promises";
import { PeftError } from "../errors.js";
import { unreadable } from "./fileErrors.js";
import { elementBytes, elementCount, type HostTensor, tensorFromBuffer } from "./hostTensor.js";
import { READ_BYTES, readFloat32 } from "./readFloat32.js";
import {
  invalid,
  LENGTH_BYTES,
  parseHeader,
  parseHeaderLength,
  type SafetensorsHeader,
  type TensorInfo,
} from "./safetensorsHeader.js";

/**
 * Bytes that `readAll` reads ahead of its consumer: enough to keep Node's four file threads busy (beyond it, loading
 * ViT-B gets no faster), and little beside any model.
 */
const READ_AHEAD_BYTES = 64 * 2 ** 20;

/** Tensors in one or several files. */
export interface TensorSource {
  /** Every tensor's type and shape, by name, in the order of the files. */
  readonly tensors: ReadonlyMap<string, Pick<TensorInfo, "name" | "dtype" | "shape">>;
  /** The `__metadata__` of the file; of sharded files that of the first. */
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * Reads one tensor into an `ArrayBuffer` of its own.
   *
   * @throws PeftError KEY_MISMATCH if there is none of this name; SAFETENSORS_INVALID if the file has become shorter.
   */
  read(name: string): Promise<HostTensor>;
  /** Reads tensors in the order asked for (all, in the order of the file), a few ahead of the consumer. */
  readAll(names?: Iterable<string>): AsyncGenerator<[name: string, tensor: HostTensor]>;
  /**
   * A function that reads one tensor as float32 (`toFloat32`) when it is called, at once and also after `close`; for weights
   * that are wanted when they are first used. What it reads is what was opened: it throws PeftError CHECKPOINT_INVALID if the
   * file has changed.
   *
   * @throws PeftError KEY_MISMATCH if there is none of this name
   */
  lazily(name: string): () => Float32Array;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens a file of any size; only its header is read. Close it when done.
 *
 * @throws PeftError FILE_MISSING, FILE_UNREADABLE, SAFETENSORS_INVALID
 */
export async function openSafetensors(path: string): Promise<TensorSource> {
  const handle = await open(path, "r").catch((cause) => {
    throw unreadable(path, cause);
  });
  try {
    const { size, mtimeMs } = await handle.stat();
    const start = new Uint8Array(Math.min(LENGTH_BYTES, size));
    await readFully(handle, start, 0, path);
    const headerBytes = parseHeaderLength(start, size, path);
    const json = new Uint8Array(headerBytes);
    await readFully(handle, json, LENGTH_BYTES, path);
    const dataStart = LENGTH_BYTES + headerBytes;
    return new SafetensorsFile(path, handle, dataStart, parseHeader(json, size - dataStart, path), { size, mtimeMs });
  } catch (error) {
    await handle.close();
    throw error instanceof PeftError ? error : unreadable(path, error);
  }
}

class SafetensorsFile implements TensorSource {
  constructor(
    private readonly path: string,
    private readonly handle: FileHandle,
    private readonly dataStart: number,
    private readonly header: SafetensorsHeader,
    private readonly opened: { readonly size: number; readonly mtimeMs: number },
  ) {}

  get tensors(): ReadonlyMap<string, TensorInfo> {
    return this.header.tensors;
  }

  get metadata(): Readonly<Record<string, string>> {
    return this.header.metadata;
  }

  async read(name: string): Promise<HostTensor> {
    const { dtype, shape, begin, end } = findTensor(this.tensors, name, this.path);
    if (this.handle.fd < 0) throw new PeftError("DISPOSED", "the file has been closed", { place: this.path });
    const bytes = Buffer.allocUnsafeSlow(end - begin); // not from Node's pool: its buffer is exactly this long
    await readFully(this.handle, bytes, this.dataStart + begin, this.path);
    return tensorFromBuffer(dtype, shape, bytes.buffer as ArrayBuffer);
  }

  readAll(names: Iterable<string> = this.tensors.keys()): AsyncGenerator<[string, HostTensor]> {
    return readAhead(this, names);
  }

  lazily(name: string): () => Float32Array {
    const { dtype, shape, begin, end } = findTensor(this.tensors, name, this.path);
    const range = { path: this.path, opened: this.opened, begin: this.dataStart + begin, end: this.dataStart + end };
    return () => readFloat32(range, dtype, shape);
  }

  async close(): Promise<void> {
    await this.handle.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** The entry of a name, or an error that says which names are alike. */
export function findTensor<Info>(tensors: ReadonlyMap<string, Info>, name: string, place: string): Info {
  const info = tensors.get(name);
  if (info !== undefined) return info;
  const last = name.split(".").slice(-2).join(".");
  const alike = [...tensors.keys()].filter((other) => other.endsWith(last)).slice(0, 5);
  throw new PeftError("KEY_MISMATCH", `there is no tensor "${name}"`, {
    place,
    hint: alike.length > 0 ? `similar names: ${alike.join(", ")}` : "list the names in `tensors`",
    details: { missing: [name] },
  });
}

/** Reads tensors in order while keeping the next ones under way. */
export async function* readAhead(
  source: Pick<TensorSource, "read" | "tensors">,
  names: Iterable<string>,
): AsyncGenerator<[string, HostTensor]> {
  const underWay: { name: string; bytes: number; tensor: Promise<HostTensor> }[] = [];
  let bytesUnderWay = 0;
  const rest = names[Symbol.iterator]();
  const fill = () => {
    while (bytesUnderWay < READ_AHEAD_BYTES) {
      const { done, value: name } = rest.next();
      if (done) return;
      const info = source.tensors.get(name);
      const bytes = info ? elementCount(info.shape) * elementBytes(info.dtype) : 0;
      const tensor = source.read(name);
      tensor.catch(() => {}); // reported when its turn comes, or never, if the consumer stops before
      underWay.push({ name, bytes, tensor });
      bytesUnderWay += bytes;
    }
  };
  fill();
  for (let first = underWay.shift(); first; first = underWay.shift()) {
    const tensor = await first.tensor;
    bytesUnderWay -= first.bytes;
    fill();
    yield [first.name, tensor];
  }
}

/** Fills `target` from the file at `position`, in pieces of at most `pieceBytes`. */
export async function readFully(
  handle: Pick<FileHandle, "read">,
  target: Uint8Array,
  position: number,
  place: string,
  pieceBytes: number = READ_BYTES,
): Promise<void> {
  for (let done = 0; done < target.length; ) {
    const length = Math.min(target.length - done, pieceBytes);
    const { bytesRead } = await handle.read(target, done, length, position + done);
    if (bytesRead === 0) throw invalid("it ends before its tensors do: it has been cut off since it was opened", place);
    done += bytesRead;
  }
}

/**
 * All tensors of a small file, by name. Each has its own buffer.
 *
 * @throws PeftError FILE_MISSING, FILE_UNREADABLE, SAFETENSORS_INVALID
 */
export async function readSafetensors(path: string): Promise<Map<string, HostTensor>> {
  const file = await openSafetensors(path);
  try {
    const tensors = new Map<string, HostTensor>();
    for await (const [name, tensor] of file.readAll()) tensors.set(name, tensor);
    return tensors;
  } finally {
    await file.close();
  }
}

/** The content of a .safetensors file in memory. Each tensor is copied into a buffer of its own. */
export interface ParsedSafetensors {
  readonly tensors: Map<string, HostTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** @throws PeftError SAFETENSORS_INVALID; `place` names the origin of the bytes in it. */
export function parseSafetensors(bytes: Uint8Array, place?: string): ParsedSafetensors {
  const headerBytes = parseHeaderLength(bytes.subarray(0, LENGTH_BYTES), bytes.length, place);
  const data = bytes.subarray(LENGTH_BYTES + headerBytes);
  const header = parseHeader(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + headerBytes), data.length, place);
  const tensors = new Map<string, HostTensor>();
  for (const { name, dtype, shape, begin, end } of header.tensors.values()) {
    const own = new Uint8Array(data.subarray(begin, end)); // a copy also of a Buffer, whose slice() would share
    tensors.set(name, tensorFromBuffer(dtype, shape, own.buffer));
  }
  return { tensors, metadata: header.metadata };
}
