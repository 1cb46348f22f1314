// Counter-based random numbers for data: a value is a function of its seed and counters and of nothing that came before,
// so that an epoch can be repeated, resumed in the middle, or prepared out of order.

import { boxMuller, hash, shuffled, unit } from "../random.js";

/**
 * What a random transform draws from: an integer that stands for one example in one epoch, or for a step of its
 * pipeline. Two draws from one key must differ in a counter.
 */
export type AugmentationKey = number;

/** A key that is a function of the given integers, such as `augmentationKey(seed, epoch, index)`. */
export function augmentationKey(...words: number[]): AugmentationKey {
  return hash(...words);
}

/** A uniform number in [0, 1), a multiple of 2^-24. The seed and the counters are integers, taken modulo 2^32. */
export function uniformAt(seed: number, ...counters: number[]): number {
  return unit(hash(seed, ...counters));
}

/**
 * A random permutation of 0 .. n-1 by Fisher and Yates from the top down; step i draws from the counters followed by i.
 * The seed and the counters are integers, taken modulo 2^32.
 */
export function permutation(n: number, seed: number, ...counters: number[]): Uint32Array {
  return shuffled(n, hash(seed, ...counters));
}

/** Random numbers one after another, for transforms that draw as many as it takes. */
export interface Draws {
  /** In [0, 1). */
  uniform(): number;
  /** In [from, to). */
  between(from: number, to: number): number;
  /** 0 .. n - 1. */
  below(n: number): number;
  /** Standard normal; takes two uniform numbers. */
  normal(): number;
}

/** Draws from a source of uniform numbers in [0, 1) that are multiples of 2^-24. */
export function drawsOf(uniform: () => number): Draws {
  const open = () => uniform() + 2 ** -25;
  return {
    uniform,
    between: (from, to) => from + (to - from) * uniform(),
    below: (n) => Math.floor(uniform() * n),
    normal: () => boxMuller(open(), open()),
  };
}

/** The numbers `uniformAt(key, 0)`, `uniformAt(key, 1)` and so on. */
export function drawsFrom(key: AugmentationKey): Draws {
  let count = 0;
  return drawsOf(() => uniformAt(key, count++));
}
