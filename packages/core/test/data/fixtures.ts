// The pictures and numbers that reference/data/make_fixtures.py made with Pillow, transformers and PyTorch.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { RgbImage } from "../../src/data/image.js";
import { type Draws, drawsOf } from "../../src/data/random.js";
import { type ParsedSafetensors, parseSafetensors } from "../../src/files/safetensors.js";

export function fixturePath(name: string): string {
  return fileURLToPath(new URL(`../../../../fixtures/data/${name}`, import.meta.url));
}

export function readFixture(name: string): ParsedSafetensors {
  return parseSafetensors(readFileSync(fixturePath(name)), name);
}

/** The list of cases that a fixture file carries in its metadata. */
export function casesOf<Case>({ metadata }: ParsedSafetensors): Case[] {
  return JSON.parse(metadata.cases!) as Case[];
}

/** A `[height, width, 3]` tensor as a picture. */
export function pictureOf({ tensors }: ParsedSafetensors, name: string): RgbImage {
  const tensor = tensors.get(name)!;
  if (tensor.dtype !== "uint8") throw new Error(`${name} is ${tensor.dtype}`);
  const [height, width] = tensor.shape as [number, number, number];
  return { width, height, data: tensor.data };
}

/** A picture of one colour. */
export function plain(width: number, height: number, level = 0): RgbImage {
  return { width, height, data: new Uint8Array(width * height * 3).fill(level) };
}

/** In words, where two arrays differ; empty if they do not. For messages that fit on a line. */
export function differences(actual: ArrayLike<number>, expected: ArrayLike<number>): string {
  if (actual.length !== expected.length) return `${actual.length} numbers instead of ${expected.length}`;
  let count = 0;
  let largest = 0;
  let first = -1;
  for (let i = 0; i < expected.length; i++) {
    if (Object.is(actual[i], expected[i])) continue;
    if (count++ === 0) first = i;
    largest = Math.max(largest, Math.abs(actual[i]! - expected[i]!));
  }
  if (count === 0) return "";
  return `${count} of ${expected.length} differ, by ${largest} at most; [${first}] is ${actual[first]}, not ${expected[first]}`;
}

/** Draws that give the listed uniform numbers, and fail if more are asked for. */
export function replay(uniforms: readonly number[]): Draws & { readonly left: number } {
  let next = 0;
  const draws = drawsOf(() => {
    if (next >= uniforms.length) throw new Error(`more than the ${uniforms.length} numbers that the original drew`);
    return uniforms[next++]!;
  });
  return {
    ...draws,
    get left() {
      return uniforms.length - next;
    },
  };
}

/** All that an iterable gives. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
