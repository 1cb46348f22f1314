// The vector of (IA)3 at one layer (Liu et al. 2022): it multiplies the layer's output, or in a feed-forward layer its input.

import * as tf from "@tensorflow/tfjs";
import { Parameter } from "../../engine/index.js";
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
  mergedWith(weight: tf.Tensor): tf.Tensor {
    const vector = this.ia3_l.value();
    if (this.#base instanceof Linear) return tf.mul(weight, vector);
    const [out, inner] = weight.shape as [number, number];
    if (!this.#isFeedforward) return tf.mul(weight, tf.reshape(vector, [out, 1, 1, 1]));
    // The rows of a group see that group's channels.
    const { groups = 1 } = this.#base.windows;
    const byGroup = tf.reshape(weight, [groups, out / groups, inner, -1]);
    return tf.reshape(tf.mul(byGroup, tf.reshape(vector, [groups, 1, inner, 1])), weight.shape);
  }

  /** The layer's bias, multiplied. */
  mergedBias(bias: tf.Tensor): tf.Tensor {
    return tf.mul(bias, tf.reshape(this.ia3_l.value(), bias.shape));
  }
}
