// The fixtures that `reference/` made, and what tests do with all of them.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type HostTensor, parseSafetensors } from "../src/index.js";

export const FIXTURES: string = fileURLToPath(new URL("../../../fixtures", import.meta.url));

export interface Fixture {
  readonly info: Record<string, unknown>;
  readonly tensors: ReadonlyMap<string, HostTensor>;
  /** The tensors whose names begin so, without that beginning. */
  group(prefix: string): Map<string, Float32Array>;
  input(name: string): { data: Float32Array | Int32Array; shape: readonly number[]; dtype: "float32" | "int32" };
}

/** A pair `<suite>/<case>.safetensors` and `.json`. */
export function readFixture(suite: string, name: string): Fixture {
  const path = join(FIXTURES, suite, name);
  const { tensors } = parseSafetensors(readFileSync(`${path}.safetensors`));
  return {
    info: JSON.parse(readFileSync(`${path}.json`, "utf8")),
    tensors,
    group: (prefix) =>
      new Map(
        [...tensors]
          .filter(([key]) => key.startsWith(`${prefix}.`))
          .map(([key, { data }]) => [key.slice(prefix.length + 1), data as Float32Array]),
      ),
    input: (key) => {
      const { data, shape, dtype } = tensors.get(key)!;
      if (dtype !== "float32" && dtype !== "int32") throw new Error(`${key} is ${dtype}`);
      return { data: (data as Float32Array).slice(), shape, dtype };
    },
  };
}
