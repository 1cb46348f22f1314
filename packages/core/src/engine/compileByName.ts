// Compiled functions of batches: inputs and targets by name, where a compiled function has arguments in an order.

import type * as tf from "@tensorflow/tfjs";
import { type CompiledFunction, compile } from "./compile.js";
import type { Outputs } from "./engine.js";

/** The compiled function for these names, made at the first call: its arguments are theirs in this order, then the rest. */
export type ByName<R extends Outputs> = (names: readonly string[]) => CompiledFunction<R>;

/** @param fn as for `compile`, of a record of tensors and of what follows it */
export function compileByName<R extends Outputs>(
  fn: (batch: Readonly<Record<string, tf.Tensor>>, ...rest: tf.Tensor[]) => R,
): ByName<R> {
  const made = new Map<string, CompiledFunction<R>>();
  return (names) => {
    const known = made.get(names.join());
    if (known) return known;
    const call = compile((...tensors) => {
      const batch = Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));
      return fn(batch, ...tensors.slice(names.length));
    });
    made.set(names.join(), call);
    return call;
  };
}
