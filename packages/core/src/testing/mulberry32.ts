// The number generator of the specifications' golden values (`encoder-hosts.md` §6.1).

import type { Parameter } from "../engine/index.js";

/** Numbers in [0, 1). */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = ((t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t) >>> 0;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` numbers in (-amplitude, amplitude). */
export function goldenArray(seed: number, count: number, amplitude: number): Float32Array {
  const next = mulberry32(seed);
  return Float32Array.from({ length: count }, () => (next() - 0.5) * 2 * amplitude);
}

/**
 * Gives a model the weights of the golden values: in the order of the names, norms around 1, all else around 0.
 *
 * @param isNorm of a weight's name. @defaultValue whether it says "norm"
 */
export function fillGolden(
  parameters: ReadonlyMap<string, Parameter>,
  isNorm: (name: string) => boolean = (name) => /norm/i.test(name),
): void {
  for (const [index, name] of [...parameters.keys()].sort().entries()) {
    const parameter = parameters.get(name)!;
    if (name.endsWith("weight") && isNorm(name)) {
      const next = mulberry32(1000 + index);
      parameter.adopt(Float32Array.from({ length: parameter.size }, () => 1 + (next() - 0.5) * 2 * 0.1));
    } else parameter.adopt(goldenArray(1000 + index, parameter.size, 0.2));
  }
}
