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
  Linear,
} from "@peft/core";
import type * as tf from "@tensorflow/tfjs";
import { SplitLinear, type SplitLinearOptions } from "./experts.js";
import type { SplitMode } from "./split.js";

/** Which side is split. In the original's words up-only is SHARE=down: the *down* side is dense and shared. */
export type Split = "up-only" | "down-only" | "both";

export const SPLITS = ["up-only", "down-only", "both"] as const;

/** Of the adapter's own norm, whatever the host's. */
const NORM_EPS = 1e-6;

export interface MosaAdapterOptions extends BottleneckOptions {
  readonly activation: ActivationName;
  readonly split: Split;
  /** N */
  readonly numExperts: number;
  readonly splitMode: SplitMode;
}

/** scale * A(norm(x)): [..., width] to the same. Zero at first, since `up` is. */
export class MosaAdapter extends Layer {
  /** weight and bias [width], dense */
  readonly norm?: LayerNorm;
  /** [r, width], Kaiming-uniform, all experts alike; biases zero */
  readonly down: Linear | SplitLinear;
  readonly dropout: Dropout;
  /** [width, r], zero */
  readonly up: Linear | SplitLinear;
  readonly #activation: (x: tf.Tensor) => tf.Tensor;
  readonly #scale: number;

  constructor(width: number, options: MosaAdapterOptions) {
    super();
    const { bottleneck, seed, split } = options;
    const init = kaimingUniform(seed);
    const experts: SplitLinearOptions = options;
    if (options.norm) this.norm = new LayerNorm(width, NORM_EPS);
    this.down =
      split === "up-only"
        ? new Linear(width, bottleneck, { init })
        : new SplitLinear(width, bottleneck, { ...experts, init });
    this.dropout = new Dropout(options.dropout);
    this.up = split === "down-only" ? new Linear(bottleneck, width) : new SplitLinear(bottleneck, width, experts);
    this.#activation = activation(options.activation);
    this.#scale = options.scale;
  }

  /** The sides that are split, down before up. */
  get splitSides(): SplitLinear[] {
    return [this.down, this.up].filter((side) => side instanceof SplitLinear);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    const inner = this.dropout.forward(this.#activation(this.down.forward(this.norm?.forward(x) ?? x)));
    return this.up.forward(inner, this.#scale);
  }
}
