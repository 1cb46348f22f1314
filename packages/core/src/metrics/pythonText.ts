// Splitting texts where Python's `str.split()` splits them, which is not where JavaScript's `\s` does.

// biome-ignore lint/suspicious/noControlCharactersInRegex: Python counts the separators U+001C to U+001F as blanks
const BLANKS = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;

/** The parts between blanks, none of them empty. */
export function words(text: string): string[] {
  return text.split(BLANKS).filter((word) => word !== "");
}

/** Without the blanks at both ends, as `str.strip()`. */
export function strip(text: string): string {
  const ends = new RegExp(`^${BLANKS.source}|${BLANKS.source}$`, "g");
  return text.replace(ends, "");
}
