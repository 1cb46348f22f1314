// Root-mean-square normalisation over the last axis (Zhang and Sennrich 2019), T5's layer norm: no mean, no shift.

import * as tf from "@tensorflow/tfjs";
import type { Emitter } from "../engine/emit.js";
import { defineOp } from "../engine/op.js";
import { PeftError } from "../errors.js";
import { sumLeading } from "./sumLeading.js";

function emitNorm(e: Emitter, x: string, weight: string, eps: unknown): string {
  return e.op("SimplifiedLayerNormalization", [x, weight], { axis: -1n, epsilon: eps as number });
}

function inverseOf(x: tf.Tensor, eps: number): tf.Tensor {
  return tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), eps));
}

const norm = defineOp({
  name: "PeftRmsNorm",
  infer: ({ x }) => x!,
  emit: ({ inputs, attrs }, e) => emitNorm(e, e.of(inputs.x!), e.of(inputs.weight!), attrs.eps),
  rows: () => ["x"],
  eager: ({ x, weight }, { eps }) => tf.mul(tf.mul(x!, inverseOf(x!, eps as number)), weight!),
  gradient: {
    saves: ["x", "weight"],
    of: (dy, [x, weight], attrs) => {
      const dOut = dy as tf.Tensor;
      return {
        x: () => inputGradient({ x: x!, weight: weight!, dy: dOut }, attrs)[0]!,
        weight: () => sumLeading(tf.mul(dOut, normalise({ x: x! }, attrs)[0]!)),
      };
    },
  },
});

/** x / sqrt(mean(x^2) + eps), without a scale. */
const normalise = defineOp({
  name: "PeftRmsNormalise",
  infer: ({ x }) => x!,
  emit: ({ inputs, attrs }, e) => {
    const ones = e.float(1, [inputs.x!.shape.at(-1)!]);
    return emitNorm(e, e.of(inputs.x!), ones, attrs.eps);
  },
  rows: () => ["x"],
  eager: ({ x }, { eps }) => tf.mul(x!, inverseOf(x!, eps as number)),
});

/**
 * With g = dy * weight and r = 1 / sqrt(mean(x^2) + eps): dx = r (g - x r^2 mean(g x)). On WebGPU the runtime's own second
 * output is not r but a mean (ONNX Runtime 1.30).
 */
const inputGradient = defineOp({
  name: "PeftRmsNormInputGradient",
  infer: ({ x }) => x!,
  emit: ({ inputs, attrs }, e) => {
    const x = e.of(inputs.x!);
    const mean = (product: string): string => e.op("ReduceMean", [product, e.ints([-1])], { keepdims: 1n });
    const square = e.op("Add", [mean(e.op("Mul", [x, x])), e.float(attrs.eps as number)]);
    const g = e.op("Mul", [e.of(inputs.dy!), e.of(inputs.weight!)]);
    const projection = e.op("Div", [mean(e.op("Mul", [g, x])), square]);
    const inverse = e.op("Reciprocal", [e.op("Sqrt", [square])]);
    return e.op("Mul", [e.op("Sub", [g, e.op("Mul", [x, projection])]), inverse]);
  },
  rows: () => ["x", "dy"],
  eager: ({ x, weight, dy }, { eps }) => {
    const inverse = inverseOf(x!, eps as number);
    const normal = tf.mul(x!, inverse);
    const g = tf.mul(dy!, weight!);
    return tf.mul(tf.sub(g, tf.mul(normal, tf.mean(tf.mul(g, normal), -1, true))), inverse);
  },
});

/**
 * Root-mean-square normalisation: y = x / sqrt(mean(x^2) + eps) * weight.
 *
 * @param x [..., width]
 * @param weight [width]
 * @param eps added to the mean square
 * @returns [..., width]
 * @throws PeftError SHAPE_MISMATCH if weight is not [width]
 */
export function rmsNorm(x: tf.Tensor, weight: tf.Tensor, eps: number): tf.Tensor {
  if (weight.rank !== 1 || weight.shape[0] !== x.shape.at(-1)) {
    throw new PeftError("SHAPE_MISMATCH", `rmsNorm: weight [${weight.shape}] does not fit x [${x.shape}]`);
  }
  return norm({ x, weight }, { eps })[0]!;
}
