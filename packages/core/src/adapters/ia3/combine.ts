// Several (IA)3 adapters made one: the weighted sum of their vectors, as PEFT's `add_weighted_adapter` has it.

import { PeftError } from "../../errors.js";
import type { HostModel } from "../../models/index.js";
import type { Combination, CombinationSource } from "../combination.js";
import { feedforward } from "./attach.js";
import type { IA3Config } from "./config.js";

const ENDING = ".ia3_l";

/**
 * A layer that some of the adapters have is summed over those.
 *
 * @throws PeftError ARGUMENT_INVALID for a layer that is a feed-forward one to some of them only
 */
export async function combineIa3(
  host: HostModel,
  sources: readonly CombinationSource<IA3Config>[],
): Promise<Combination<IA3Config>> {
  const sums = new Map<string, Float64Array>();
  const isInput = new Map<string, boolean>();
  for (const { config, attachment, weight } of sources) {
    const isFeedforward = feedforward(host, config);
    for (const [key, parameter] of attachment.parameters) {
      if (!key.endsWith(ENDING)) continue;
      const path = key.slice(0, -ENDING.length);
      if (isInput.has(path) && isInput.get(path) !== isFeedforward(path)) {
        throw new PeftError("ARGUMENT_INVALID", `"${path}" is a feed-forward layer to some of the adapters only`, {
          place: "addWeightedAdapter",
        });
      }
      isInput.set(path, isFeedforward(path));
      const vector = await parameter.read();
      const sum = sums.get(key) ?? new Float64Array(parameter.size);
      for (let i = 0; i < sum.length; i++) sum[i]! += weight * vector[i]!;
      sums.set(key, sum);
    }
  }
  const paths = [...isInput.keys()];
  const config = sources[0]!.config.with({
    targetModules: paths,
    feedforwardModules: paths.filter((path) => isInput.get(path)),
    excludeModules: null,
    modulesToSave: null,
  });
  return { config, numbers: new Map([...sums].map(([key, sum]) => [key, Float32Array.from(sum)])) };
}
