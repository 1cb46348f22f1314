// How a run ends before its time with a checkpoint: aborted, or because its numbers are no longer finite.

import { PeftError } from "../errors.js";

export function aborted(): DOMException {
  return new DOMException("the training was aborted", "AbortError");
}

/** Whether an error says that the signal was aborted. */
export function isAbort(error: unknown, signal: AbortSignal | undefined): boolean {
  const isAbortError = error instanceof DOMException && error.name === "AbortError";
  return signal?.aborted === true && (error === signal.reason || isAbortError);
}

export function isDivergence(error: unknown): boolean {
  return error instanceof PeftError && error.code === "TRAINING_DIVERGED";
}

export function diverged(step: number, numbers: { loss: number; norm: number; learningRate: number }): PeftError {
  const { loss, norm, learningRate } = numbers;
  return new PeftError("TRAINING_DIVERGED", `loss ${loss}, gradient norm ${norm}, learning rate ${learningRate}`, {
    place: `step ${step}`,
    hint: "lower the learning rate, clip the gradients (clipNorm), or look for bad numbers in the data; the parameters are those of the step before",
    details: { step, ...numbers },
  });
}
