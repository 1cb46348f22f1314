// Activations by the names that Hugging Face configs use.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";
import { gelu, geluTanh, relu, silu } from "../ops/index.js";

export type ActivationName = "gelu" | "gelu_new" | "gelu_pytorch_tanh" | "relu" | "silu" | "swish" | "tanh";

const ACTIVATIONS: Record<ActivationName, (x: tf.Tensor) => tf.Tensor> = {
  gelu,
  gelu_new: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  relu,
  silu,
  swish: silu,
  tanh: (x) => tf.tanh(x),
};

/** @throws PeftError CONFIG_INVALID for a name that is not known */
export function activation(name: string): (x: tf.Tensor) => tf.Tensor {
  const found = ACTIVATIONS[name as ActivationName];
  if (found) return found;
  throw new PeftError("CONFIG_INVALID", `unknown activation "${name}"`, {
    hint: `known are ${Object.keys(ACTIVATIONS).join(", ")}`,
  });
}
