// Weights of the golden values of the encoder-decoder hosts: each tensor's are a function of its name.

import type { Parameter } from "../../src/index.js";
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
