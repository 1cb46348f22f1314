// Root-mean-square normalisation with a trained scale: T5's layer norm.

import type * as tf from "@tensorflow/tfjs";
import { Parameter } from "../engine/index.js";
import { rmsNorm } from "../ops/index.js";
import { ones } from "./init.js";
import { Layer } from "./module.js";

/** Normalises the last axis: [..., width] to [..., width]. */
export class RMSNorm extends Layer {
  /** [width] */
  readonly weight: Parameter;

  /** @param eps added to the mean square */
  constructor(
    readonly width: number,
    readonly eps: number,
  ) {
    super();
    this.weight = new Parameter([width], () => ones([width], ""));
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return rmsNorm(x, this.weight.value(), this.eps);
  }
}
