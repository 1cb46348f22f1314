// The one integer hash that all randomness of the library comes from (shuffles, augmentations, and the engine's
// `randomBits`). It uses 32-bit multiply, add and division by powers of two only, because WebGPU's ONNX kernels lack
// bit operations. Known weakness: without them it is affine but for carries, and neighbouring counters give related
// values (test/data/random.test.ts measures it). Its values are frozen by a regression test: a change would break the
// resuming of every saved run.

/** Scrambles one uint32: three rounds of multiply and add-the-high-bits. */
export function mix(word: number): number {
  let h = Math.imul(word, 0x9e3779b1) >>> 0;
  h = (h + (h >>> 16)) >>> 0;
  h = Math.imul(h, 0x85ebca6b) >>> 0;
  h = (h + (h >>> 13)) >>> 0;
  h = Math.imul(h, 0xc2b2ae35) >>> 0;
  return (h + (h >>> 16)) >>> 0;
}

/** The state of a hash that has absorbed no word. */
export const HASH_START = 0x243f6a88;

/** The hash state after one more word (an integer, taken modulo 2^32). */
export function absorb(state: number, word: number): number {
  return mix((state + word + 0x7f4a7c15) >>> 0);
}

/** A uint32 that depends on every word and on their order. Words are integers, taken modulo 2^32. */
export function hash(...words: number[]): number {
  return words.reduce(absorb, HASH_START);
}

/** The upper 24 bits of a uint32 as a number in [0, 1): exact in float32, so that all engines agree. */
export function toUniform(bits: number): number {
  return (bits >>> 8) * 2 ** -24;
}
