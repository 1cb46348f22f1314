// Python's regular expressions, in which PEFT's configs are written, as JavaScript's.

import { PeftError } from "../errors.js";

const INLINE_FLAGS = /^\(\?([aiLmsux]+)\)/;
/** Syntax that JavaScript has not, or has with another meaning. */
const UNSUPPORTED: readonly [RegExp, string][] = [
  [/\(\?[a-zA-Z]*-?[a-zA-Z]+:/, "flags for a part of the pattern"],
  [/\(\?\(/, "conditional groups"],
  [/\(\?>/, "atomic groups"],
  [/(?<!\\)[*+?}]\+/, "possessive quantifiers"],
];

/**
 * @param pattern as Python's `re` understands it
 * @param around puts the translated pattern into its place, such as a full match
 * @param place names the option, for the error
 * @throws PeftError CONFIG_INVALID for a pattern that is none, or that JavaScript cannot express
 */
export function pythonPattern(pattern: string, around: (source: string) => string, place: string): RegExp {
  const inline = INLINE_FLAGS.exec(pattern);
  const flags = inline?.[1] ?? "";
  const body = pattern.slice(inline?.[0].length ?? 0);
  const invalid = (reason: string): PeftError =>
    new PeftError("CONFIG_INVALID", `cannot use the pattern ${JSON.stringify(pattern)}: ${reason}`, {
      place,
      hint: "write it in Python's syntax, or give a JavaScript RegExp",
    });
  if (/[Lx]/.test(flags)) throw invalid(`the flags "${flags}" have no counterpart in JavaScript`);
  const found = UNSUPPORTED.find(([syntax]) => syntax.test(body));
  if (found) throw invalid(`JavaScript has no ${found[1]}`);
  try {
    return new RegExp(around(translate(body)), flags.replace(/[au]/g, ""));
  } catch (cause) {
    throw invalid((cause as Error).message);
  }
}

/** `re.fullmatch`. */
export function fullMatch(pattern: string, place: string): RegExp {
  return pythonPattern(pattern, (source) => `^(?:${source})$(?![\\s\\S])`, place);
}

function translate(body: string): string {
  // Escapes come first, so that what follows a backslash is not taken for syntax.
  return body.replace(/\\[\s\S]|\(\?P<(\w+)>|\(\?P=(\w+)\)|\(\?#[^)]*\)/g, (whole, group, reference) => {
    if (group) return `(?<${group}>`;
    if (reference) return `\\k<${reference}>`;
    if (whole === "\\Z") return "$(?![\\s\\S])";
    if (whole === "\\A") return "^";
    return whole.startsWith("(?#") ? "" : whole;
  });
}
