// Counter-based random numbers for data: a value is a function of its seed and counters and of nothing that came before,
// so that an epoch can be repeated, resumed in the middle, or prepared out of order.

import { extend, hash, unit } from "../random.js";

/**
 * Where randomness comes from: an integer that stands for one place, such as one example in one epoch. Two draws from
 * one key must differ in a counter.
 */
export type RandomKey = number;

/** A key that is a function of the given integers, such as `randomKey(seed, epoch, index)`. */
export function randomKey(...words: number[]): RandomKey {
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
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  const prefix = hash(seed, ...counters);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor((extend(prefix, i) / 2 ** 32) * (i + 1));
    const held = order[i]!;
    order[i] = order[j]!;
    order[j] = held;
  }
  return order;
}
