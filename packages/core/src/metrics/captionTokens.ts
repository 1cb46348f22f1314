// The tokens of a caption for CIDEr: the conventions of the Penn treebank for plain English sentences, small letters, without
// punctuation, as the COCO toolkit takes them from Stanford's tokenizer.

import { words } from "./pythonText.js";

/** Endings that are tokens of their own. */
const ENDINGS = /(?<=[\p{L}\p{N}])('s|'m|'d|'re|'ve|'ll|n't|')$/u;
/** Words that are two tokens. */
const COMPOUND: ReadonlyMap<string, readonly string[]> = new Map(
  ["can not", "gim me", "gon na", "got ta", "lem me", "wan na"].map((pair) => [pair.replace(" ", ""), pair.split(" ")]),
);
/** What is cut off before and after a word, and dropped; a decimal point and a hyphen inside of one stay. */
const OUTSIDE = /^[^\p{L}\p{N}$%&#@']+|[^\p{L}\p{N}$%&#@']+$/gu;
/** What always separates. */
const SEPARATORS = /[()[\]{}"“”„`?!;…]|,(?!\d)|:(?!\d)|-{2,}|[–—]/gu;
/** Tokens wherever they stand. */
const SIGNS = /[$%&#@]/g;

/**
 * The tokens of a caption. Web addresses, abbreviations with points and fractions, which Stanford's tokenizer knows, are not
 * looked for.
 */
export function captionTokens(caption: string): string[] {
  const plain = caption.toLowerCase().replace(/[’‘]/g, "'").replace(SEPARATORS, " ").replace(SIGNS, " $& ");
  return words(plain).flatMap((word) => split(word.replace(OUTSIDE, "")));
}

function split(word: string): string[] {
  const bare = word.replace(/^'+/, "");
  const compound = COMPOUND.get(bare);
  if (compound) return [...compound];
  const ending = ENDINGS.exec(bare)?.[0];
  const stem = ending ? bare.slice(0, -ending.length) : bare;
  const isToken = (token: string | undefined): token is string => token !== undefined && token !== "" && token !== "'";
  return [...(stem === bare ? [stem] : split(stem)), ending].filter(isToken);
}
