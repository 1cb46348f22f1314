// Reverse-mode differentiation with respect to parameters, by TensorFlow.js's tape.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";
import type { Parameter } from "./parameter.js";
import { currentRecorder } from "./trace.js";

/**
 * Inside a compiled or eager function: the loss and its gradients.
 *
 * @param loss returns a scalar; nothing below the lowest of `parameters` is differentiated
 * @returns one gradient for each parameter, of its shape; zeros for one that does not reach the loss
 * @throws PeftError SHAPE_MISMATCH if the loss is not a scalar
 */
export function gradients(
  loss: () => tf.Tensor,
  parameters: readonly Parameter[],
): { loss: tf.Tensor; gradients: tf.Tensor[] } {
  const tensors = parameters.map((parameter) => parameter.value());
  const recorder = currentRecorder();
  const forward = (): tf.Tensor => {
    const value = loss();
    // From here on TensorFlow.js walks its tape back.
    if (recorder) recorder.backward = true;
    return value;
  };
  const { value, grads } = tf.engine().gradients(forward, tensors, undefined, true);
  if (recorder) recorder.backward = false;
  if (value.size !== 1)
    throw new PeftError("SHAPE_MISMATCH", `a loss must be a scalar, got the shape [${value.shape}]`);
  return { loss: value, gradients: tensors.map((tensor, i) => grads[i] ?? tf.zerosLike(tensor)) };
}
