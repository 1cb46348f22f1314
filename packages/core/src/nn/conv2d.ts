// The two-dimensional convolution layer, with PyTorch's layout of filters and pictures.

import type * as tf from "@tensorflow/tfjs";
import { Parameter } from "../engine/index.js";
import { type ConvWindows, conv2d } from "../ops/index.js";
import { type Initializer, zeros } from "./init.js";
import { Layer } from "./module.js";

export interface Conv2dOptions extends ConvWindows {
  kernel: readonly [height: number, width: number];
  /** @defaultValue true */
  bias?: boolean;
  /** Initial weight. @defaultValue zeros, for weights that are about to be loaded */
  init?: Initializer;
}

/** [batch, in, height, width] to [batch, out, height', width']. */
export class Conv2d extends Layer {
  /** [out, in / groups, kernel height, kernel width] */
  readonly weight: Parameter;
  /** [out] */
  readonly bias?: Parameter;
  /** How the windows lie. */
  readonly windows: Readonly<ConvWindows>;

  constructor(
    readonly inChannels: number,
    readonly outChannels: number,
    { kernel, bias = true, init = zeros, stride = 1, padding = 0, dilation = 1, groups = 1 }: Conv2dOptions,
  ) {
    super();
    const shape = [outChannels, inChannels / groups, ...kernel];
    this.windows = { stride, padding, dilation, groups };
    this.weight = new Parameter(shape, (name) => init(shape, name));
    if (bias) this.bias = Parameter.zeros([outChannels]);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return conv2d(x, this.weight.value(), this.bias?.value(), this.windows);
  }
}
