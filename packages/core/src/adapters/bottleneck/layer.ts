// A bottleneck adapter: down to a few numbers a token, an activation, and up again.

import type * as tf from "@tensorflow/tfjs";
import { type ActivationName, activation, Dropout, kaimingUniform, Layer, LayerNorm, Linear } from "../../nn/index.js";

/** Of the adapter's own norm, whatever the host's. */
const NORM_EPS = 1e-6;

export interface BottleneckOptions {
  /** r, the width inside. */
  readonly bottleneck: number;
  readonly activation: ActivationName;
  /** Whether the input is normalised first. */
  readonly norm: boolean;
  /** What the output is multiplied by. */
  readonly scale: number;
  /** Dropout on the r numbers. */
  readonly dropout: number;
  readonly seed: number;
}

/** scale * (up(dropout(act(down(norm(x)))))): [..., width] to the same. Zero at first, since `up` is. */
export class BottleneckAdapter extends Layer {
  /** weight and bias [width] */
  readonly norm?: LayerNorm;
  /** weight [r, width], Kaiming-uniform; bias [r], zero */
  readonly down: Linear;
  readonly dropout: Dropout;
  /** weight [width, r], bias [width], zero */
  readonly up: Linear;
  readonly #activation: (x: tf.Tensor) => tf.Tensor;
  readonly #scale: number;

  constructor(width: number, options: BottleneckOptions) {
    super();
    if (options.norm) this.norm = new LayerNorm(width, NORM_EPS);
    this.down = new Linear(width, options.bottleneck, { init: kaimingUniform(options.seed) });
    this.dropout = new Dropout(options.dropout);
    this.up = new Linear(options.bottleneck, width);
    this.#activation = activation(options.activation);
    this.#scale = options.scale;
  }

  override forward(x: tf.Tensor): tf.Tensor {
    const inner = this.#activation(this.down.forward(this.norm?.forward(x) ?? x));
    return this.up.forward(this.dropout.forward(inner), this.#scale);
  }
}
