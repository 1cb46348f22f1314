// Which experts training has used, place by place (`mosa.md` §10).

import type { PeftModel } from "@peft/core";
import { expertsAmong } from "./experts.js";
import { countsOf } from "./hooks.js";

/** Of one split side. */
export interface ModuleUsage {
  /** The side's path, such as `vit.encoder.layer.0.mosa.up`. */
  readonly path: string;
  /** Passes that have used each expert. */
  readonly passes: readonly number[];
  /** Updates that each expert has had; with official semantics also those of steps that did not draw it. */
  readonly updates: readonly number[];
}

/**
 * How often each expert of an adapter, active or not, was drawn and moved since training began.
 *
 * @param adapterName @defaultValue "default"
 * @throws PeftError ADAPTER_UNKNOWN
 */
export async function moduleUsage(model: PeftModel, adapterName = "default"): Promise<ModuleUsage[]> {
  const usage: ModuleUsage[] = [];
  for (const [path, side] of expertsAmong(model.adapterParameters(adapterName))) {
    const { drawn, steps } = countsOf(side);
    usage.push({ path, passes: Array.from(await drawn.read()), updates: Array.from(await steps.read()) });
  }
  return usage;
}
