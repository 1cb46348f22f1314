// Layer normalisation over the last axis: y = (x - mean) / sqrt(var + eps) * weight + bias, with the biased variance.

import * as tf from "@tensorflow/tfjs";
import type { Emitter } from "../engine/emit.js";
import type { Value } from "../engine/graph.js";
import { defineOp } from "../engine/op.js";
import { PeftError } from "../errors.js";
import { sumLeading } from "./sumLeading.js";

function emitNorm(
  e: Emitter,
  x: string,
  weight: string,
  bias: string | undefined,
  eps: number,
  outputs: number,
): string[] {
  const attributes = { axis: -1n, epsilon: eps };
  return e.multi("LayerNormalization", bias ? [x, weight, bias] : [x, weight], outputs, { attributes });
}

/** (x - mean) / sqrt(var + eps) and 1 / sqrt(var + eps), once for the gradients that need them. */
function emitNormal(e: Emitter, x: Value, eps: number): { normal: string; rstd: string } {
  return e.once(`normal ${eps} of ${x.id}`, () => {
    const [normal, , rstd] = emitNorm(e, e.of(x), e.float(1, [x.shape.at(-1)!]), undefined, eps, 3);
    return { normal: normal!, rstd: rstd! };
  });
}

function moments(x: tf.Tensor, eps: number): { normal: tf.Tensor; rstd: tf.Tensor } {
  const centred = tf.sub(x, tf.mean(x, -1, true));
  const rstd = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), eps));
  return { normal: tf.mul(centred, rstd), rstd };
}

const norm = defineOp({
  name: "PeftLayerNorm",
  infer: ({ x }) => x!,
  emit: ({ inputs, attrs }, e) =>
    emitNorm(e, e.of(inputs.x!), e.of(inputs.weight!), e.of(inputs.bias!), attrs.eps as number, 1),
  rows: () => ["x"],
  eager: ({ x, weight, bias }, { eps }) => tf.add(tf.mul(moments(x!, eps as number).normal, weight!), bias!),
  gradient: {
    saves: ["x", "weight"],
    of: (dy, [x, weight], attrs) => {
      const dOut = dy as tf.Tensor;
      return {
        x: () => inputGradient({ x: x!, weight: weight!, dy: dOut }, attrs)[0]!,
        weight: () => sumLeading(tf.mul(dOut, standardize({ x: x! }, attrs)[0]!)),
        bias: () => sumLeading(dOut),
      };
    },
  },
});

/** (x - mean) / sqrt(var + eps), without a scale. */
const standardize = defineOp({
  name: "PeftStandardize",
  infer: ({ x }) => x!,
  emit: ({ inputs, attrs }, e) => emitNormal(e, inputs.x!, attrs.eps as number).normal,
  rows: () => ["x"],
  eager: ({ x }, { eps }) => moments(x!, eps as number).normal,
});

/** With g = dy * weight and n the normalised x: dx = (g - mean(g) - n * mean(g * n)) / sqrt(var + eps). */
const inputGradient = defineOp({
  name: "PeftLayerNormInputGradient",
  infer: ({ x }) => x!,
  emit: ({ inputs, attrs }, e) => {
    const { normal, rstd } = emitNormal(e, inputs.x!, attrs.eps as number);
    const axes = e.ints([-1]);
    const g = e.op("Mul", [e.of(inputs.dy!), e.of(inputs.weight!)]);
    const mean = e.op("ReduceMean", [g, axes], { keepdims: 1n });
    const projection = e.op("ReduceMean", [e.op("Mul", [g, normal!]), axes], { keepdims: 1n });
    const centred = e.op("Sub", [e.op("Sub", [g, mean]), e.op("Mul", [normal!, projection])]);
    return e.op("Mul", [centred, rstd!]);
  },
  rows: () => ["x", "dy"],
  eager: ({ x, weight, dy }, { eps }) => {
    const { normal, rstd } = moments(x!, eps as number);
    const g = tf.mul(dy!, weight!);
    const projection = tf.mean(tf.mul(g, normal), -1, true);
    return tf.mul(tf.sub(tf.sub(g, tf.mean(g, -1, true)), tf.mul(normal, projection)), rstd);
  },
});

/**
 * Layer normalisation.
 *
 * @param x [..., width]
 * @param weight [width]
 * @param bias [width]
 * @param eps added to the variance
 * @returns [..., width]
 * @throws PeftError SHAPE_MISMATCH if weight or bias is not [width]
 */
export function layerNorm(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor, eps: number): tf.Tensor {
  const width = x.shape.at(-1);
  if (weight.rank !== 1 || weight.shape[0] !== width || bias.rank !== 1 || bias.shape[0] !== width) {
    const shapes = `weight [${weight.shape}], bias [${bias.shape}]`;
    throw new PeftError("SHAPE_MISMATCH", `layerNorm: ${shapes} do not fit x [${x.shape}]`);
  }
  return norm({ x, weight, bias }, { eps })[0]!;
}
