// The two sides of an adapter, down and up, and which of them are split into experts (`mosa.md` §3.1).

import { type Initializer, Linear } from "@peft/core";
import { DenseExperts } from "./denseExperts.js";
import { Experts, type ExpertsOptions } from "./experts.js";
import { SplitLinear } from "./sparseExperts.js";

/** Which side is split. In the original's words up-only is SHARE=down: the *down* side is dense and shared. */
export type Split = "up-only" | "down-only" | "both";

export const SPLITS = ["up-only", "down-only", "both"] as const;

export interface SideOptions extends ExpertsOptions {
  readonly split: Split;
  /** Whether an expert owns entries of its own; else it is a whole copy. */
  readonly sparse: boolean;
}

/** A projection of the side, split where the split says so. */
export function projection(
  side: "down" | "up",
  [inFeatures, outFeatures]: readonly [number, number],
  options: SideOptions & { readonly init?: Initializer },
): Linear | Experts {
  const { split, sparse, bias, init } = options;
  const isDense = split === (side === "down" ? "up-only" : "down-only");
  if (isDense) return new Linear(inFeatures, outFeatures, { bias, init });
  return sparse
    ? new SplitLinear(inFeatures, outFeatures, options)
    : new DenseExperts(inFeatures, outFeatures, options);
}

export function expertsIn(...sides: readonly (Linear | Experts)[]): Experts[] {
  return sides.filter((side) => side instanceof Experts);
}
