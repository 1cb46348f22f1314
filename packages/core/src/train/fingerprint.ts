// What a checkpoint remembers of the training data, so that a run does not go on with another set: how many examples there
// are, and a hash of what can be told of them without reading them all.

import { createHash } from "node:crypto";
import type { BatchSource } from "../data/index.js";
import type { HostArray } from "../hostArray.js";

/** A source's fingerprint, if it tells one. */
export async function fingerprintOf(source: BatchSource): Promise<string | null> {
  return (await source.fingerprint?.()) ?? null;
}

/** Digits of a fingerprint that are kept: it is to tell data sets apart, not to resist a forger. */
const DIGITS = 16;

export function fingerprint(examples: number, parts: readonly (string | HostArray["data"])[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return `${examples} examples, ${hash.digest("hex").slice(0, DIGITS)}`;
}
