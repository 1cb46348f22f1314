// The counter-based generator behind every random number of the library: a hash of (seed, step, site, index), so that a
// draw is a function of where it stands and of nothing that came before. Only additions, products and shifts by whole
// halves, because the same hash runs inside compiled graphs, where WebGPU has no xor and no shift (a division serves).

const START = 0x243f6a88;
const WORD = 0x7f4a7c15;
const UNIT = 2 ** -24;

/** One round over a uint32; `engine/ops/randomBits` emits the same arithmetic. */
export function mix(word: number): number {
  let h = Math.imul(word, 0x9e3779b1) >>> 0;
  h = (h + (h >>> 16)) >>> 0;
  h = Math.imul(h, 0x85ebca6b) >>> 0;
  h = (h + (h >>> 13)) >>> 0;
  h = Math.imul(h, 0xc2b2ae35) >>> 0;
  return (h + (h >>> 16)) >>> 0;
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

export { extend as absorb, START as HASH_START, unit as toUniform };
