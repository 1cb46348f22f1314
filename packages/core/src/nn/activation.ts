// Activations by the names that Hugging Face configs use.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";
import { gelu, geluTanh, quickGelu, relu, silu } from "../ops/index.js";

export type ActivationName =
  | "elu"
  | "gelu"
  | "gelu_new"
  | "gelu_pytorch_tanh"
  | "hardswish"
  | "leaky_relu"
  | "mish"
  | "quick_gelu"
  | "relu"
  | "relu6"
  | "sigmoid"
  | "silu"
  | "swish"
  | "tanh";

const ACTIVATIONS: Record<ActivationName, (x: tf.Tensor) => tf.Tensor> = {
  elu: (x) => tf.elu(x),
  gelu,
  gelu_new: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  // Howard et al. 2019
  hardswish: (x) => tf.mul(x, tf.mul(tf.relu6(tf.add(x, 3)), 1 / 6)),
  // PyTorch's slope; TensorFlow.js has 0.2.
  leaky_relu: (x) => tf.leakyRelu(x, 0.01),
  // Misra 2019
  mish: (x) => tf.mul(x, tf.tanh(tf.softplus(x))),
  quick_gelu: quickGelu,
  relu,
  relu6: (x) => tf.relu6(x),
  sigmoid: (x) => tf.sigmoid(x),
  silu,
  swish: silu,
  tanh: (x) => tf.tanh(x),
};

/** @throws PeftError CONFIG_INVALID for a name that is not known */
export function activation(name: string): (x: tf.Tensor) => tf.Tensor {
  if (Object.hasOwn(ACTIVATIONS, name)) return ACTIVATIONS[name as ActivationName];
  throw new PeftError("CONFIG_INVALID", `unknown activation "${name}"`, {
    hint: `known are ${Object.keys(ACTIVATIONS).join(", ")}`,
  });
}
