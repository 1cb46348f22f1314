// JSON files in the form in which Python's `json.dumps(value, indent=2, sort_keys=...)` writes them: ASCII only, two
// blanks of indentation, no line end after the last brace.

import { open } from "node:fs/promises";
import { PeftError } from "../errors.js";
import { writeFileAtomic } from "./atomic.js";
import { unreadable } from "./fileErrors.js";
import { parseStrictJson } from "./strictJson.js";

/** The largest JSON files around models are tokenizers and shard indices of some 30 MB. */
export const MAX_JSON_BYTES: number = 256 * 2 ** 20;

export interface WriteJsonOptions {
  /** Sort the keys of all objects by code point, as Python's PEFT does for `adapter_config.json`. @defaultValue false */
  sortKeys?: boolean;
}

/**
 * Writes a value as JSON, atomically. Fields that are `undefined` are left out.
 *
 * @throws PeftError FILE_UNWRITABLE; ARGUMENT_INVALID for a number that is not finite, which JSON cannot hold.
 */
export async function writeJson(path: string, value: unknown, options: WriteJsonOptions = {}): Promise<void> {
  await writeFileAtomic(path, formatJson(value, path, options));
}

function formatJson(value: unknown, path: string, { sortKeys = false }: WriteJsonOptions): string {
  const prepare = (key: string, item: unknown) => {
    if (typeof item === "number" && !Number.isFinite(item)) {
      throw new PeftError("ARGUMENT_INVALID", `${key || "the value"} is ${item}, which JSON cannot hold`, {
        place: path,
      });
    }
    if (!sortKeys || typeof item !== "object" || item === null || Array.isArray(item)) return item;
    return Object.fromEntries(Object.entries(item).sort(([a], [b]) => compareCodePoints(a, b)));
  };
  const escapeUnit = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value, prepare, 2).replace(/[\u007f-\uffff]/g, escapeUnit);
}

/** The order of Python and of UTF-8. JavaScript's own compares UTF-16 units, which puts U+FFFD after an emoji. */
export function compareCodePoints(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/**
 * Reads a JSON file. The result is whatever the file holds: check it before use.
 *
 * @throws PeftError FILE_MISSING, FILE_UNREADABLE; JSON_INVALID if it is no JSON, has one key twice, or is larger than
 *   `maxBytes`.
 */
export async function readJson(path: string, options: { maxBytes?: number } = {}): Promise<unknown> {
  const { maxBytes = MAX_JSON_BYTES } = options;
  const bytes = await readBounded(path, maxBytes);
  try {
    return parseStrictJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new PeftError("JSON_INVALID", `not valid JSON: ${(cause as Error).message}`, {
      place: path,
      hint: "repair the file, or fetch it again",
      cause,
    });
  }
}

async function readBounded(path: string, maxBytes: number): Promise<Uint8Array> {
  try {
    const handle = await open(path, "r");
    try {
      const { size } = await handle.stat();
      if (size <= maxBytes) return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw unreadable(path, cause);
  }
  throw new PeftError("JSON_INVALID", `a JSON file of more than ${maxBytes} bytes`, {
    place: path,
    hint: "this is probably another kind of file",
  });
}
