// The adapter of one place: A(u) = W_up drop(act(W_down u + b_down)) + b_up, with one side or both split into experts
// (`mosa.md` §2.3, §3.1).

import {
  type ActivationName,
  activation,
  type BottleneckOptions,
  Dropout,
  kaimingUniform,
  Layer,
  LayerNorm,
  type Linear,
  Parameter,
} from "@peft/core";
import * as tf from "@tensorflow/tfjs";
import type { Experts } from "./experts.js";
import { expertsIn, projection, type SideOptions } from "./sides.js";

/** Of the adapter's own norm, whatever the host's. */
const NORM_EPS = 1e-6;

export interface MosaAdapterOptions extends Omit<BottleneckOptions, "initWeights">, SideOptions {
  readonly activation: ActivationName;
}

/** scale * A(norm(x)): [..., width] to the same. Zero at first, since `up` is. */
export class MosaAdapter extends Layer {
  /** weight and bias [width], dense */
  readonly norm?: LayerNorm;
  /** [r, width], Kaiming-uniform, all experts alike; biases zero */
  readonly down: Linear | Experts;
  readonly dropout: Dropout;
  /** [width, r], zero */
  readonly up: Linear | Experts;
  /** A learnt scale, [1]. */
  readonly scaling?: Parameter;
  readonly #activation: (x: tf.Tensor) => tf.Tensor;
  readonly #scale: number;

  constructor(width: number, options: MosaAdapterOptions) {
    super();
    const { bottleneck, seed } = options;
    if (options.norm) this.norm = new LayerNorm(width, NORM_EPS);
    this.down = projection("down", [width, bottleneck], { ...options, init: kaimingUniform(seed) });
    this.dropout = new Dropout(options.dropout);
    this.up = projection("up", [bottleneck, width], options);
    this.#activation = activation(options.activation);
    this.#scale = options.scale;
    if (options.learnsScale) this.scaling = new Parameter([1], Float32Array.of(1));
  }

  get experts(): Experts[] {
    return expertsIn(this.down, this.up);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    const inner = this.dropout.forward(this.#activation(this.down.forward(this.norm?.forward(x) ?? x)));
    const wide = this.up.forward(inner, this.#scale);
    return this.scaling ? tf.mul(wide, this.scaling.value()) : wide;
  }
}
