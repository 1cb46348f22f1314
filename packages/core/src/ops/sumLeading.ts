// What a parameter of the last axis gets of a gradient: the sum over all others.

import * as tf from "@tensorflow/tfjs";

/** [..., width] to [width]. */
export function sumLeading(x: tf.Tensor): tf.Tensor {
  return tf.sum(
    x,
    x.shape.slice(0, -1).map((_, i) => i),
  );
}
