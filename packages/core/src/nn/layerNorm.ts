// Layer normalisation with a trained scale and shift.

import type * as tf from "@tensorflow/tfjs";
import { Parameter } from "../engine/index.js";
import { layerNorm } from "../ops/index.js";
import { ones } from "./init.js";
import { Layer } from "./module.js";

/** Normalises the last axis: [..., width] to [..., width]. */
export class LayerNorm extends Layer {
  /** [width] */
  readonly weight: Parameter;
  /** [width] */
  readonly bias: Parameter;

  /** @param eps added to the variance */
  constructor(
    width: number,
    readonly eps: number,
  ) {
    super();
    this.weight = new Parameter([width], () => ones([width], ""));
    this.bias = Parameter.zeros([width]);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return layerNorm(x, this.weight.value(), this.bias.value(), this.eps);
  }
}
