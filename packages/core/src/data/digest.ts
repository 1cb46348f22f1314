// One short text for facts of any length.

import { createHash } from "node:crypto";

/** Half of a SHA-256, in hexadecimal: enough to tell data sets apart, and short enough to be read out. */
export function digest(...facts: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(facts)).digest("hex").slice(0, 32);
}
