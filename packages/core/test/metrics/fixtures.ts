// The scores that reference/make_metrics.py made.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { FIXTURES } from "../fixtures.js";

export function cases<T>(name: string): T {
  return JSON.parse(readFileSync(join(FIXTURES, "metrics", `${name}.json`), "utf8")) as T;
}

export const invalid: unknown = expect.objectContaining({ code: "ARGUMENT_INVALID" });

/** Decimals that agree: float64 on both sides, summed in another order. */
export const DIGITS = 12;
