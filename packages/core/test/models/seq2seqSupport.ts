// What tests of the encoder-decoder hosts share: weights of the golden values, each tensor's a function of its name, and
// copies of folders with something changed.

import { mkdtempSync } from "node:fs";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type HostArray, type HostTensor, type Parameter, readSafetensors, writeSafetensors } from "../../src/index.js";
import { mulberry32 } from "../../src/testing/index.js";

/** FNV-1a of 32 bits over UTF-8. */
export function fnv1a(text: string): number {
  let h = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) h = Math.imul(h ^ byte, 0x01000193) >>> 0;
  return h;
}

/** Gives norms weights around 1, all else around 0. */
export function fillHashed(parameters: ReadonlyMap<string, Parameter>): void {
  for (const [name, parameter] of parameters) {
    const isNorm = /(layer_norm|layernorm_embedding)\.weight$/.test(name);
    const next = mulberry32(fnv1a(name));
    const [spread, centre] = isNorm ? [0.1, 1] : [0.5, 0];
    parameter.adopt(Float32Array.from({ length: parameter.size }, () => (2 * next() - 1) * spread + centre));
  }
}

export const sumOfMagnitudes = (numbers: ArrayLike<number>): number =>
  Array.from(numbers).reduce((sum, x) => sum + Math.abs(x), 0);

/** Rows of tokens as an input. */
export const ints = (rows: readonly (readonly number[])[]): HostArray => ({
  data: Int32Array.from(rows.flat()),
  shape: [rows.length, rows[0]!.length],
  dtype: "int32",
});

/** 1 for a token, 0 for padding. */
export const maskOf = (rows: readonly (readonly number[])[], pad: number): HostArray =>
  ints(rows.map((row) => row.map((id) => (id === pad ? 0 : 1))));

/** A copy of a model's folder with other tensors, and other fields in its config. */
export async function changed(
  source: string,
  change: (tensors: Map<string, HostTensor>) => Map<string, HostTensor>,
  config: object = {},
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "peft-"));
  const json = JSON.parse(await readFile(join(source, "config.json"), "utf8"));
  await writeFile(join(folder, "config.json"), JSON.stringify({ ...json, ...config }));
  await copyFile(join(source, "generation_config.json"), join(folder, "generation_config.json")).catch(() => {});
  const tensors = await readSafetensors(join(source, "model.safetensors"));
  await writeSafetensors(join(folder, "model.safetensors"), change(tensors));
  return folder;
}

/** The same tensors in half precision. */
export const inHalf =
  (dtype: "float16" | "bfloat16", cast: (numbers: Float32Array) => HostTensor["data"]) =>
  (tensors: Map<string, HostTensor>): Map<string, HostTensor> =>
    new Map(
      [...tensors].map(([name, { shape, data }]) => [
        name,
        { dtype, shape, data: cast(data as Float32Array) } as HostTensor,
      ]),
    );
