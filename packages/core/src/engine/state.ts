// What exists once in a process, whichever of the ESM and the CommonJS build asks: the engine in use, the tracing backend,
// the devices. Kept on a process-wide symbol, since the two builds are two copies of this module.

import { AsyncLocalStorage } from "node:async_hooks";
import type { Engine } from "./engine.js";

interface EngineState {
  engine?: Engine;
  /** Settled when all parameters have moved over to the engine that was chosen last; undefined when they have. */
  moving?: Promise<unknown>;
  traceBackend?: unknown;
  /** Counts changes to the structure of any model; a compiled function traces again when it has moved on. */
  structure: number;
  /** Whether the function at work is a training step: dropout and its like are live. */
  training: boolean;
  /** Whether the blocks of models are computed again in the backward pass. */
  checkpointing: boolean;
  /** The variants of models that are in force in the asynchronous context at work. */
  readonly variants: AsyncLocalStorage<readonly string[]>;
}

const KEY = Symbol.for("@peft/core.engine");

export function engineState(): EngineState {
  const holder = globalThis as { [KEY]?: EngineState };
  holder[KEY] ??= { structure: 0, training: false, checkpointing: false, variants: new AsyncLocalStorage() };
  return holder[KEY];
}

/** To be called by whatever changes what a model computes: attaching, removing or switching adapters. */
export function structureChanged(): void {
  engineState().structure++;
}

/** Whether the function at work is a training step. */
export function isTraining(): boolean {
  return engineState().training;
}

/** Runs the body of a training step: dropout and its like are live inside. */
export function inTraining<T>(body: () => T): T {
  return during("training", body);
}

/** Runs the body with the blocks of models checkpointed. */
export function inCheckpointing<T>(body: () => T): T {
  return during("checkpointing", body);
}

function during<T>(flag: "training" | "checkpointing", body: () => T): T {
  const state = engineState();
  const before = state[flag];
  state[flag] = true;
  try {
    return body();
  } finally {
    state[flag] = before;
  }
}

/**
 * Runs the body, and whatever it awaits, under a variant of some model, such as one without its adapters. A compiled
 * function is traced for each variant apart, so that calls inside and outside may go on at the same time.
 */
export function inVariant<T>(name: string, body: () => T): T {
  return engineState().variants.run([...variants(), name], body);
}

/** The variants in force here. */
export function variants(): readonly string[] {
  return engineState().variants.getStore() ?? [];
}
