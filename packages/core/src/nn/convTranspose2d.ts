// The transposed convolution layer, with PyTorch's layout of filters and pictures.

import type * as tf from "@tensorflow/tfjs";
import { Parameter } from "../engine/index.js";
import { type ConvTransposeWindows, convTranspose2d } from "../ops/index.js";
import { type Initializer, zeros } from "./init.js";
import { Layer } from "./module.js";

export interface ConvTranspose2dOptions extends ConvTransposeWindows {
  kernel: readonly [height: number, width: number];
  /** @defaultValue true */
  bias?: boolean;
  /** Initial weight. @defaultValue zeros, for weights that are about to be loaded */
  init?: Initializer;
}

/** [batch, in, height, width] to [batch, out, height', width']. */
export class ConvTranspose2d extends Layer {
  /** [in, out / groups, kernel height, kernel width] */
  readonly weight: Parameter;
  /** [out] */
  readonly bias?: Parameter;
  /** How the windows lie. */
  readonly windows: Readonly<ConvTransposeWindows>;

  constructor(
    readonly inChannels: number,
    readonly outChannels: number,
    { kernel, bias = true, init = zeros, ...windows }: ConvTranspose2dOptions,
  ) {
    super();
    const shape = [inChannels, outChannels / (windows.groups ?? 1), ...kernel];
    this.windows = windows;
    this.weight = new Parameter(shape, (name) => init(shape, name));
    if (bias) this.bias = Parameter.zeros([outChannels]);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return convTranspose2d(x, this.weight.value(), this.bias?.value(), this.windows);
  }
}
