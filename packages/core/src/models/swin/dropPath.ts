// Stochastic depth (Huang et al. 2016): in training, a branch is left out for some of a batch's samples.

import * as tf from "@tensorflow/tfjs";
import { isTraining } from "../../engine/index.js";
import { Layer } from "../../nn/index.js";
import { dropout } from "../../ops/index.js";

/** The module's path is the site of its random numbers. */
export class DropPath extends Layer {
  /** @param rate the probability that a sample goes without, 0 <= rate < 1; the others are scaled by 1 / (1 - rate) */
  constructor(readonly rate: number) {
    super();
  }

  override forward(x: tf.Tensor): tf.Tensor {
    if (!isTraining() || this.rate === 0) return x;
    const samples = tf.ones([x.shape[0]!, ...x.shape.slice(1).map(() => 1)]);
    return tf.mul(x, dropout(samples, this.rate, this.path));
  }
}
