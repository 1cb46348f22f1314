// Which experts training has used, place by place (`mosa.md` §10).

import type { PeftModel } from "@peft/core";
import { expertsAmong } from "./experts.js";
import { counterOf } from "./hooks.js";

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
 * How often each expert was drawn and moved since training began. The adapter must be active and made to be trained.
 *
 * @param adapterName @defaultValue "default"
 * @throws PeftError ADAPTER_UNKNOWN
 */
export async function moduleUsage(model: PeftModel, adapterName = "default"): Promise<ModuleUsage[]> {
  const state = [...(model.hooks?.state?.values() ?? [])];
  const read = async (name: string): Promise<number[]> =>
    Array.from((await state.find((parameter) => parameter.name === name)?.read()) ?? []);
  const usage: ModuleUsage[] = [];
  for (const path of expertsAmong(model.adapterParameters(adapterName)).keys()) {
    usage.push({ path, passes: await read(counterOf(path, "drawn")), updates: await read(counterOf(path, "steps")) });
  }
  return usage;
}
