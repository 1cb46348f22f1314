// The counter-based generator behind every random number of the library: a hash of (seed, step, site, index), so that a
// draw is a function of where it stands and of nothing that came before. Only additions, products and shifts, because the
// same hash runs inside compiled graphs, where WebGPU has no xor and no shift (a product or a division by a power of two
// serves). Its statistics are in test/random.

const START = 0x243f6a88;
const WORD = 0x7f4a7c15;
const UNIT = 2 ** -24;

/** The factors of a round: 2^32 over the golden ratio, made a prime, and the odd words of pi that follow `START`. */
export const FACTORS = { first: 0x9e3779b1, second: 0x85a308d3, third: 0xec4e6c89, last: 0x38d01377 } as const;

/**
 * One round over a uint32; `ops/randomBits` emits the same arithmetic. The factors in the middle depend on the word: with
 * constant ones all would be affine but for carries, and neighbours related.
 *
 * It is one-to-one (a count over all 2^32 words found each of them once), because each step is: a product with an odd
 * number, a turn by half a word, h * (2h + odd), and the last, which turns and multiplies the half that comes down. The
 * cheaper h + floor(h / 2^k) is not: it skips a number before each multiple of 2^k, and what passes 2^32 falls on small
 * words that are there already (of all words, 65,535 are never reached for k = 16, and 524,161 for k = 13). At the end of
 * a round it makes the words below 2^16 twice as frequent as others. Rounds with one turn less fail tests of the low bits,
 * or of every 1,024th word.
 */
export function mix(word: number): number {
  let h = Math.imul(word, FACTORS.first);
  h = (h << 16) | (h >>> 16);
  h = Math.imul(h, 2 * h + FACTORS.second);
  h = (h << 16) | (h >>> 16);
  h = Math.imul(h, 2 * h + FACTORS.third);
  return ((h << 16) + Math.imul(h >>> 16, FACTORS.last)) >>> 0;
}

/** Folds uint32 words into one. */
export function hash(...words: number[]): number {
  let h = START;
  for (const word of words) h = extend(h, word);
  return h;
}

/** `hash(...words, word)`, given `hash(...words)`. */
export function extend(h: number, word: number): number {
  return mix((h + (word >>> 0) + WORD) >>> 0);
}

/** A site's name as a word. */
export function hashText(text: string): number {
  let h = START;
  for (let i = 0; i < text.length; i++) h = extend(h, text.charCodeAt(i));
  return h;
}

/** A uint32 as a number in [0, 1) of 24 bits, which float32 holds exactly. */
export function unit(word: number): number {
  return (word >>> 8) * UNIT;
}

/** A uint32 as a number in (0, 1): the middle of each of 2^24 cells, so that a logarithm is finite. */
export function openUnit(word: number): number {
  return unit(word) + 2 ** -25;
}

/** A standard normal number from two uniform ones in (0, 1), by Box and Muller. */
export function boxMuller(first: number, second: number): number {
  return Math.sqrt(-2 * Math.log(first)) * Math.cos(2 * Math.PI * second);
}

/** Scales a uint32 to 0..below-1; the bias is below `below` / 2^32. */
export function integerBelow(below: number, word: number): number {
  return Math.floor((word / 2 ** 32) * below);
}

/** A permutation of 0..n-1 by Fisher and Yates from the top down; step i draws from the prefix extended by i. */
export function shuffled(n: number, prefix: number): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = integerBelow(i + 1, extend(prefix, i));
    const held = order[i]!;
    order[i] = order[j]!;
    order[j] = held;
  }
  return order;
}
