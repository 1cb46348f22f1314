// What a training step will take of the process's memory, said before anything is run.

import { sizeOf } from "../engine/graph.js";
import type { Spec } from "../engine/index.js";
import { LARGE_UPDATE_BYTES } from "../engine/largeUpdate.js";
import type { TrainableModel } from "./model.js";
import { type TrainingStepOptions, trainingStep } from "./trainingStep.js";

/** Bytes. */
export interface MemoryEstimate {
  /** The model's parameters, frozen and trained. */
  readonly parameters: number;
  /** The optimizer's state. */
  readonly state: number;
  /** Intermediate values, at the moment when most are alive. */
  readonly activations: number;
  /** Copies of updated parameters and state, which the runtime's binding makes. */
  readonly copies: number;
  /** Node.js, TensorFlow.js and ONNX Runtime themselves. */
  readonly runtime: number;
  readonly total: number;
}

/** Of a process with the library loaded and a model traced, on Linux x64. */
const RUNTIME = 230e6;
/** How much more than what is alive the runtime's arena holds, since its pieces do not fit each other. */
const ARENA = 1.15;

/**
 * The peak memory of training on the CPU device under the compiled engine, measured right within a fifth over vision
 * transformers from 22 to 86 million parameters.
 *
 * @param batch shapes and types of a batch's inputs and targets by name
 * @throws PeftError as `trainingStep`, and as the model's forward pass for shapes that do not fit
 */
export function estimateMemory(
  model: TrainableModel & { parameters(): ReadonlyMap<string, { readonly size: number }> },
  batch: Readonly<Record<string, Spec>>,
  options: TrainingStepOptions,
): MemoryEstimate {
  const step = trainingStep(model, options);
  try {
    const trained = 4 * total([...step.parameters.values()].map(({ size }) => size));
    const state = 4 * total([...step.state.values()].map(({ size }) => size));
    const parameters = 4 * total([...model.parameters().values()].map(({ size }) => size));
    const inputs = 4 * total(Object.values(batch).map(({ shape }) => sizeOf(shape)));
    const copies = trained + state;
    const { peakBytes } = step.explain(batch);
    // With an arena, what was alive stays beside the copies; without one it is gone before they are made.
    const [activations, working] =
      copies > LARGE_UPDATE_BYTES
        ? [peakBytes, Math.max(peakBytes, copies)]
        : [ARENA * peakBytes, ARENA * peakBytes + copies];
    // A batch is there twice: here, and on the device.
    const held = parameters + state + 2 * inputs + RUNTIME;
    return { parameters, state, activations, copies, runtime: RUNTIME, total: held + working };
  } finally {
    step.dispose();
  }
}

function total(numbers: readonly number[]): number {
  return numbers.reduce((sum, n) => sum + n, 0);
}
