// What `PeftModel.addWeightedAdapter` asks of adapters before their method combines them.

import { PeftError } from "../errors.js";
import type { HostModel } from "../models/index.js";
import type { Combination, CombinationOptions, CombinationSource } from "./combination.js";
import type { PeftConfig } from "./config.js";

/** @throws PeftError ARGUMENT_INVALID for adapters that do not go together, or weights that are no numbers */
export async function combineAdapters(
  host: HostModel,
  sources: readonly CombinationSource<PeftConfig>[],
  options: CombinationOptions,
): Promise<Combination<PeftConfig>> {
  const [first] = sources;
  if (!first || !sources.every(({ weight }) => Number.isFinite(weight))) {
    throw new PeftError("ARGUMENT_INVALID", "there must be adapters, and one finite weight for each", {
      place: "addWeightedAdapter",
    });
  }
  const types = [...new Set(sources.map(({ config }) => config.peftType))];
  if (first.config.combine && types.length === 1) return first.config.combine(host, sources, options);
  throw new PeftError("ARGUMENT_INVALID", `adapters of ${types.join(", ")} cannot be combined`, {
    place: "addWeightedAdapter",
    hint: "LoRA adapters can, and (IA)3 adapters; others can be active together",
  });
}
