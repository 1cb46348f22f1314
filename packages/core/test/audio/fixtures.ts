// The sounds and numbers that reference/make_audio.py and reference/make_processors.py made.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type ParsedSafetensors, parseSafetensors } from "../../src/index.js";
import { FIXTURES } from "../fixtures.js";

const read = new Map<string, ParsedSafetensors>();

export function soundPath(name: string): string {
  return join(FIXTURES, "audio", name);
}

function fixture(name: string): ParsedSafetensors {
  const known = read.get(name) ?? parseSafetensors(readFileSync(soundPath(`${name}.safetensors`)), name);
  read.set(name, known);
  return known;
}

/** The list of cases in a file's metadata. */
export function soundCases<Case>(name: string): Case[] {
  return JSON.parse(fixture(name).metadata.cases!) as Case[];
}

export function fixtureShape(name: string, tensor: string): readonly number[] {
  return fixture(name).tensors.get(tensor)!.shape;
}

export function fixtureNumbers(name: string, tensor: string): Float32Array {
  return fixture(name).tensors.get(tensor)!.data as Float32Array;
}

/** ast-adapter.md §2.2: one second of noise at 16 kHz. */
export function goldenSound(): Float32Array {
  let state = 12345;
  return Float32Array.from({ length: 16_000 }, () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    return 0.2 * (state / 2 ** 32 - 0.5);
  });
}

/** How two log-mel arrays differ after AST's division by twice its deviation. */
export function normalizedDifferences(
  actual: Float32Array,
  wanted: Float32Array,
): { largest: number; percentile: number } {
  const sorted = actual.map((value, i) => Math.abs(value - wanted[i]!) / (2 * 4.5689974)).sort();
  return { largest: sorted.at(-1)!, percentile: sorted[Math.floor(0.999 * (sorted.length - 1))]! };
}

/** The largest difference of two arrays; NaN for arrays of different lengths. */
export function largestDifference(actual: Float32Array, wanted: Float32Array): number {
  if (actual.length !== wanted.length) return Number.NaN;
  return wanted.reduce((largest, value, i) => Math.max(largest, Math.abs(value - actual[i]!)), 0);
}
