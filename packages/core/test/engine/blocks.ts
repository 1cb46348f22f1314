// A chain of residual blocks, as deep as a test wants it, with its training step.

import * as tf from "@tensorflow/tfjs";
import { gelu, gradients, layerNorm, linear, Parameter } from "../../src/index.js";
import { goldenArray } from "../../src/testing/index.js";

export class Blocks {
  readonly parameters: Parameter[];
  readonly #blocks: { readonly weight: Parameter; readonly scale: Parameter; readonly bias: Parameter }[];
  readonly #rate: number;

  constructor({ depth, width, rate }: { depth: number; width: number; rate: number }) {
    this.#rate = rate;
    this.#blocks = Array.from({ length: depth }, (_, i) => ({
      weight: new Parameter([width, width], goldenArray(i, width * width, 0.1), { name: `blocks.${i}.weight` }),
      scale: new Parameter([width], new Float32Array(width).fill(1), { name: `blocks.${i}.scale` }),
      bias: new Parameter([width], new Float32Array(width), { name: `blocks.${i}.bias` }),
    }));
    this.parameters = this.#blocks.flatMap((block) => Object.values(block));
  }

  /** [rows, width] to [rows, width] */
  forward(x: tf.Tensor): tf.Tensor {
    return this.#blocks.reduce((y, { weight, scale, bias }) => {
      const normal = layerNorm(y, scale.value(), bias.value(), 1e-5);
      return tf.add(y, gelu(linear(normal, weight.value(), bias.value())));
    }, x);
  }

  /** The loss, and all parameters a step of gradient descent further. */
  step(x: tf.Tensor): tf.Tensor {
    const { loss, gradients: found } = gradients(() => tf.mean(tf.square(this.forward(x))), this.parameters);
    for (const [i, parameter] of this.parameters.entries()) {
      parameter.assign(tf.sub(parameter.value(), tf.mul(found[i]!, this.#rate)));
    }
    return loss;
  }
}
