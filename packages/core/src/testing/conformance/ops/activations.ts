// Cases of the activations.

import * as tf from "@tensorflow/tfjs";
import type * as fc from "fast-check";
import { activation } from "../../../nn/index.js";
import { gelu, geluTanh, quickGelu, relu, silu } from "../../../ops/index.js";
import { composed, type OpCase, shape } from "./shared.js";

/** An activation that is an op of ours, with the composition registered with it. */
const unary = (name: string, fn: (x: tf.Tensor) => tf.Tensor): fc.Arbitrary<OpCase> =>
  shape.map((s) => ({ shapes: [s], scale: 3, apply: ([x]) => fn(x!), compose: ([x]) => composed(name, { x: x! }) }));

/** A function of TensorFlow.js as it is. */
const plain = (fn: (x: tf.Tensor) => tf.Tensor): fc.Arbitrary<OpCase> =>
  shape.map((s) => ({ shapes: [s], scale: 9, apply: ([x]) => fn(x!) }));

/** One that is composed of TensorFlow.js's. */
const named = (name: string): fc.Arbitrary<OpCase> =>
  shape.map((s) => ({ shapes: [s], scale: 5, apply: ([x]) => activation(name)(x!) }));

export const ACTIVATIONS: Record<string, fc.Arbitrary<OpCase>> = {
  gelu: unary("PeftGelu", gelu),
  geluTanh: unary("PeftGeluTanh", geluTanh),
  silu: unary("PeftSilu", silu),
  quickGelu: unary("PeftQuickGelu", quickGelu),
  relu: unary("PeftRelu", relu),
  elu: named("elu"),
  hardswish: named("hardswish"),
  leakyRelu: named("leaky_relu"),
  mish: named("mish"),
  relu6: named("relu6"),
  sigmoid: named("sigmoid"),
  logSigmoid: plain(tf.logSigmoid),
  logSoftmax: plain((x) => tf.logSoftmax(x)),
  logSumExp: plain((x) => tf.logSumExp(x, -1)),
  softplus: plain(tf.softplus),
};
