// Group normalisation with a trained scale and shift for each channel.

import type * as tf from "@tensorflow/tfjs";
import { Parameter } from "../engine/index.js";
import { groupNorm } from "../ops/index.js";
import { ones } from "./init.js";
import { Layer } from "./module.js";

/** Normalises each sample's groups of channels: [batch, channels, ...] to the same shape. */
export class GroupNorm extends Layer {
  /** [channels] */
  readonly weight: Parameter;
  /** [channels] */
  readonly bias: Parameter;

  /** @param eps added to the variance */
  constructor(
    readonly groups: number,
    readonly channels: number,
    readonly eps: number,
  ) {
    super();
    this.weight = new Parameter([channels], () => ones([channels], ""));
    this.bias = Parameter.zeros([channels]);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return groupNorm(x, this.weight.value(), this.bias.value(), this);
  }
}
