// A table of vectors, looked up by number.

import * as tf from "@tensorflow/tfjs";
import { Parameter } from "../engine/index.js";
import { type Initializer, zeros } from "./init.js";
import { Layer } from "./module.js";

/** [...] int32 ids to [..., width]. */
export class Embedding extends Layer {
  /** [count, width] */
  readonly weight: Parameter;

  constructor(count: number, width: number, init: Initializer = zeros) {
    super();
    this.weight = new Parameter([count, width], (name) => init([count, width], name));
  }

  override forward(ids: tf.Tensor): tf.Tensor {
    return tf.gather(this.weight.value(), tf.cast(ids, "int32"));
  }
}
