// Dropout as a module: live in a training step only.

import type * as tf from "@tensorflow/tfjs";
import { isTraining } from "../engine/index.js";
import { dropout } from "../ops/index.js";
import { Layer } from "./module.js";

/** The module's path is the site of its random numbers. */
export class Dropout extends Layer {
  /** @param rate the probability of a zero, 0 <= rate < 1 */
  constructor(readonly rate: number) {
    super();
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return isTraining() ? dropout(x, this.rate, this.path) : x;
  }
}
