// The hooks of several adapters that are trained together, as those of one.

import { PeftError } from "../errors.js";
import type { TrainingHooks } from "./method.js";

interface Labelled {
  readonly hooks: TrainingHooks;
  /** The name that the model gives to a parameter of the adapter's. */
  label(key: string): string;
}

/** @throws PeftError ARGUMENT_INVALID if several have a loss of their own */
export function combineHooks(all: readonly Labelled[]): TrainingHooks | undefined {
  if (all.length === 0) return undefined;
  const losses = all.flatMap(({ hooks }) => (hooks.loss ? [hooks] : []));
  if (losses.length > 1) {
    throw new PeftError("ARGUMENT_INVALID", "several active adapters have a loss of their own", {
      hint: "train them one after another",
    });
  }
  const [withLoss] = losses;
  return {
    loss: withLoss && ((context) => withLoss.loss!(context)),
    updateScope: (name, parameter) => {
      for (const { hooks, label } of all) {
        const prefix = label("");
        const scope = name.startsWith(prefix) && hooks.updateScope?.(name.slice(prefix.length), parameter);
        if (scope) return scope;
      }
      return undefined;
    },
    state: new Map(
      all.flatMap(({ hooks, label }) => [...(hooks.state ?? [])].map(([key, p]) => [label(key), p] as const)),
    ),
    beforeEvaluation: async () => {
      for (const { hooks } of all) await hooks.beforeEvaluation?.();
    },
    afterEvaluation: async () => {
      for (const { hooks } of all) await hooks.afterEvaluation?.();
    },
    onEpochEnd: async (epoch) => {
      for (const { hooks } of all) await hooks.onEpochEnd?.(epoch);
    },
  };
}
