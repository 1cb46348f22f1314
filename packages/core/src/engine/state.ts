// What exists once in a process, whichever of the ESM and the CommonJS build asks: the engine in use, the tracing backend,
// the devices. Kept on a process-wide symbol, since the two builds are two copies of this module.

import type { Engine } from "./engine.js";

interface EngineState {
  engine?: Engine;
  traceBackend?: unknown;
  /** Counts changes to the structure of any model; a compiled function traces again when it has moved on. */
  structure: number;
  /** Whether the function at work is a training step: dropout and its like are live. */
  training: boolean;
}

const KEY = Symbol.for("@peft/core.engine");

export function engineState(): EngineState {
  const holder = globalThis as { [KEY]?: EngineState };
  holder[KEY] ??= { structure: 0, training: false };
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
  const state = engineState();
  const before = state.training;
  state.training = true;
  try {
    return body();
  } finally {
    state.training = before;
  }
}
