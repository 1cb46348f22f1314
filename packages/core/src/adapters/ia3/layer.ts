// The vector of (IA)3 at one layer (Liu et al. 2022): it multiplies the layer's output, or in a feed-forward layer its input.

import * as tf from "@tensorflow/tfjs";
import { Parameter, type ParameterData } from "../../engine/index.js";
import { type Conv2d, Linear, Module, normal, ones } from "../../nn/index.js";

export interface Ia3VectorOptions {
  /** Whether the input is multiplied, and not the output. */
  readonly isFeedforward: boolean;
  /** Ones, or N(0, 1). */
  readonly init: boolean;
  readonly seed: number;
}

/** The vector beside a linear layer or a convolution. */
export class Ia3Vector extends Module {
  /** A linear layer's [out, 1], or [1, in] of a feed-forward one; a convolution's [1, channels, 1, 1] */
  readonly ia3_l: Parameter;
  readonly #base: Linear | Conv2d;
  readonly #isFeedforward: boolean;

  constructor(base: Linear | Conv2d, { isFeedforward, init, seed }: Ia3VectorOptions) {
    super();
    this.#base = base;
    this.#isFeedforward = isFeedforward;
    const shape = this.#shape();
    const start = init ? ones : normal(1, seed);
    this.ia3_l = new Parameter(shape, (name) => start(shape, name));
  }

  /** The bias that is multiplied too, as part of the output. */
  get bias(): Parameter | undefined {
    return this.#isFeedforward ? undefined : this.#base.bias;
  }

  #shape(): number[] {
    const base = this.#base;
    if (base instanceof Linear) return this.#isFeedforward ? [1, base.inFeatures] : [base.outFeatures, 1];
    return [1, this.#isFeedforward ? base.inChannels : base.outChannels, 1, 1];
  }

  override forward(x: tf.Tensor): tf.Tensor {
    const vector = this.ia3_l.value();
    return tf.mul(x, this.#base instanceof Linear ? tf.reshape(vector, [-1]) : vector);
  }

  /** @param forward the layer as it is so far */
  apply(forward: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor): tf.Tensor {
    return this.#isFeedforward ? forward(this.forward(x)) : this.forward(forward(x));
  }

  /** The layer's weight, multiplied. */
  async mergedWith(weight: ParameterData): Promise<Float32Array> {
    const vector = await this.ia3_l.read();
    const [out, inner] = this.#base.weight.shape as [number, number];
    const groups = this.#base instanceof Linear ? 1 : (this.#base.windows.groups ?? 1);
    const window = weight.length / (out * inner);
    return Float32Array.from(weight, (x, at) => {
      const row = Math.floor(at / (inner * window));
      if (!this.#isFeedforward) return x * vector[row]!;
      const first = Math.floor((row * groups) / out) * inner;
      return x * vector[first + (Math.floor(at / window) % inner)]!;
    });
  }

  /** The layer's bias, multiplied. */
  async mergedBias(bias: ParameterData): Promise<Float32Array> {
    const vector = await this.ia3_l.read();
    return Float32Array.from(bias, (x, i) => x * vector[i]!);
  }
}
