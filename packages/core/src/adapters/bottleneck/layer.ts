// A bottleneck adapter: down to a few numbers a token, an activation, and up again.

import * as tf from "@tensorflow/tfjs";
import { Parameter } from "../../engine/index.js";
import {
  type ActivationName,
  activation,
  Dropout,
  kaimingUniform,
  Layer,
  LayerNorm,
  Linear,
  normal,
  zeros,
} from "../../nn/index.js";

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
  /** Whether it is multiplied also by a number that is trained and starts at 1. @defaultValue false */
  readonly learnsScale?: boolean;
  /** Dropout on the r numbers. */
  readonly dropout: number;
  /** How the weights start. @defaultValue "mam_adapter" */
  readonly initWeights?: BottleneckInit;
  readonly seed: number;
}

/**
 * How the weights start, by AdapterHub's names: `mam_adapter` down Kaiming-uniform and up zero, which changes nothing at
 * first; `bert` both N(0, 0.02^2). Biases are zero.
 */
export const BOTTLENECK_INITS = ["mam_adapter", "bert"] as const;
export type BottleneckInit = (typeof BOTTLENECK_INITS)[number];
const BERT_STD = 0.02;

/** scale * (up(dropout(act(down(norm(x)))))): [..., width] to the same. */
export class BottleneckAdapter extends Layer {
  /** weight and bias [width] */
  readonly norm?: LayerNorm;
  /** weight [r, width], bias [r] */
  readonly down: Linear;
  readonly dropout: Dropout;
  /** weight [width, r], bias [width] */
  readonly up: Linear;
  /** A learnt scale, [1]. */
  readonly scaling?: Parameter;
  readonly #activation: (x: tf.Tensor) => tf.Tensor;
  readonly #scale: number;

  constructor(width: number, options: BottleneckOptions) {
    super();
    const { bottleneck, seed } = options;
    const [down, up] =
      options.initWeights === "bert" ? [normal(BERT_STD, seed), normal(BERT_STD, seed)] : [kaimingUniform(seed), zeros];
    if (options.norm) this.norm = new LayerNorm(width, NORM_EPS);
    this.down = new Linear(width, bottleneck, { init: down });
    this.dropout = new Dropout(options.dropout);
    this.up = new Linear(bottleneck, width, { init: up });
    this.#activation = activation(options.activation);
    this.#scale = options.scale;
    if (options.learnsScale) this.scaling = new Parameter([1], Float32Array.of(1));
  }

  override forward(x: tf.Tensor): tf.Tensor {
    const inner = this.#activation(this.down.forward(this.norm?.forward(x) ?? x));
    const wide = this.up.forward(this.dropout.forward(inner), this.#scale);
    return this.scaling ? tf.mul(wide, this.scaling.value()) : wide;
  }
}
