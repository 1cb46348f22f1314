// What a checkpoint remembers of the training data, so that a run does not go on with another set: how many examples there
// are, and a hash of what can be told of them without reading them all.

import { createHash } from "node:crypto";
import { type BatchSource, DataLoader } from "../data/index.js";
import type { HostArray } from "../hostArray.js";

/**
 * A source's fingerprint: its own if it has one; of a `DataLoader` its data set's classes and labels, which are known
 * without decoding a picture; null of a source that tells nothing.
 */
export async function fingerprintOf(source: BatchSource): Promise<string | null> {
  if (source.fingerprint) return source.fingerprint();
  if (!(source instanceof DataLoader)) return null;
  const { dataset } = source;
  const labels = Int32Array.from({ length: dataset.length }, (_, i) => dataset.labelAt(i));
  return fingerprint(dataset.length, [JSON.stringify(dataset.classes), labels]);
}

/** Digits of a fingerprint that are kept: it is to tell data sets apart, not to resist a forger. */
const DIGITS = 16;

export function fingerprint(examples: number, parts: readonly (string | HostArray["data"])[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return `${examples} examples, ${hash.digest("hex").slice(0, DIGITS)}`;
}
