// Reading one tensor of a .safetensors file at once, as float32, without a copy of its half precision: that is widened piece
// by piece.

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { PeftError } from "../errors.js";
import { unreadable } from "./fileErrors.js";
import { isHalf, toFloat32, widen } from "./floatCasts.js";
import { type DType, elementCount, tensorFromBuffer } from "./hostTensor.js";
import { invalid } from "./safetensorsHeader.js";

/** One read stays below 2 GiB, the most that the operating system gives at once. */
export const READ_BYTES: number = 2 ** 30;
/** What is read of a tensor in half precision before it is widened: little enough to stay in a processor's cache. */
const PIECE_BYTES = 2 ** 18;

/** Bytes of a file that must be the one that was opened. */
export interface FileRange {
  readonly path: string;
  readonly opened: { readonly size: number; readonly mtimeMs: number };
  readonly begin: number;
  readonly end: number;
}

/** @throws PeftError FILE_MISSING, FILE_UNREADABLE; CHECKPOINT_INVALID, SAFETENSORS_INVALID if the file has changed */
export function readFloat32(range: FileRange, dtype: DType, shape: readonly number[]): Float32Array {
  const bytes = range.end - range.begin;
  return withFile(range, (fd) => {
    if (!isHalf(dtype)) {
      const whole = Buffer.allocUnsafeSlow(bytes);
      fill(whole, fd, range.begin, range.path);
      return toFloat32(tensorFromBuffer(dtype, shape, whole.buffer as ArrayBuffer));
    }
    const numbers = new Float32Array(elementCount(shape));
    const piece = new Uint16Array(Math.min(PIECE_BYTES, bytes) / 2);
    for (let done = 0; done < numbers.length; done += piece.length) {
      const part = piece.subarray(0, numbers.length - done);
      fill(new Uint8Array(part.buffer, 0, part.byteLength), fd, range.begin + 2 * done, range.path);
      widen(dtype, part, numbers.subarray(done));
    }
    return numbers;
  });
}

function withFile<Result>({ path, opened }: FileRange, use: (fd: number) => Result): Result {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (cause) {
    throw unreadable(path, cause);
  }
  try {
    const { size, mtimeMs } = fstatSync(fd);
    if (size !== opened.size || mtimeMs !== opened.mtimeMs) {
      throw new PeftError("CHECKPOINT_INVALID", "the file has changed since it was opened", {
        place: path,
        hint: "load the model again",
      });
    }
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

function fill(target: Uint8Array, fd: number, position: number, path: string): void {
  for (let done = 0; done < target.length; ) {
    const read = readSync(fd, target, done, Math.min(target.length - done, READ_BYTES), position + done);
    if (read === 0) throw invalid("it ends before its tensors do: it has been cut off since it was opened", path);
    done += read;
  }
}
