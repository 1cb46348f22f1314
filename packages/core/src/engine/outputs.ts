// What a compiled function returns: a tensor, or arrays and records of tensors. Taken apart into a list and put together
// again.

import * as tf from "@tensorflow/tfjs";
import type { Outputs } from "./engine.js";

export function flatten(outputs: Outputs): tf.Tensor[] {
  if (outputs instanceof tf.Tensor) return [outputs];
  return Object.values(outputs).flatMap((part: Outputs) => flatten(part));
}

/** The structure of `template` over other tensors, in `flatten`'s order. */
export function unflatten(template: Outputs, tensors: readonly tf.Tensor[]): Outputs {
  let next = 0;
  const build = (part: Outputs): Outputs => {
    if (part instanceof tf.Tensor) return tensors[next++]!;
    if (Array.isArray(part)) return part.map(build);
    return Object.fromEntries(Object.entries(part).map(([name, inner]) => [name, build(inner as Outputs)]));
  };
  return build(template);
}
