// The two-dimensional convolution layer, with PyTorch's layout of filters and pictures.

import type * as tf from "@tensorflow/tfjs";
import { Parameter } from "../engine/index.js";
import { conv2d } from "../ops/index.js";
import { type Initializer, zeros } from "./init.js";
import { Layer } from "./module.js";

export interface Conv2dOptions {
  kernel: readonly [height: number, width: number];
  /** @defaultValue 1 */
  stride?: number;
  /** @defaultValue true */
  bias?: boolean;
  init?: Initializer;
}

/** [batch, in, height, width] to [batch, out, height', width']. */
export class Conv2d extends Layer {
  /** [out, in, kernel height, kernel width] */
  readonly weight: Parameter;
  /** [out] */
  readonly bias?: Parameter;
  readonly stride: number;

  constructor(
    readonly inChannels: number,
    readonly outChannels: number,
    { kernel, stride = 1, bias = true, init = zeros }: Conv2dOptions,
  ) {
    super();
    const shape = [outChannels, inChannels, ...kernel];
    this.stride = stride;
    this.weight = new Parameter(shape, (name) => init(shape, name));
    if (bias) this.bias = Parameter.zeros([outChannels]);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return conv2d(x, this.weight.value(), this.bias?.value(), { stride: this.stride });
  }
}
