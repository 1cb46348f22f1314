// A table of vectors, looked up by number.

import * as tf from "@tensorflow/tfjs";
import { Parameter } from "../engine/index.js";
import { type Initializer, zeros } from "./init.js";
import { Layer } from "./module.js";

export interface EmbeddingOptions {
  /** The row of padding: looking it up gives it no gradient, as PyTorch's `padding_idx`. @defaultValue none */
  readonly padding?: number;
}

/** [...] int32 ids to [..., width]. */
export class Embedding extends Layer {
  /** [count, width] */
  readonly weight: Parameter;
  readonly #padding: number | undefined;

  constructor(count: number, width: number, init: Initializer = zeros, { padding }: EmbeddingOptions = {}) {
    super();
    this.weight = new Parameter([count, width], (name) => init([count, width], name));
    this.#padding = padding;
  }

  override forward(ids: tf.Tensor): tf.Tensor {
    const rows = tf.cast(ids, "int32");
    const vectors = tf.gather(this.weight.value(), rows);
    return this.#padding === undefined ? vectors : withoutGradient(vectors, rows, this.#padding);
  }
}

/** The vectors as they are; those of one row get no gradient. */
function withoutGradient(vectors: tf.Tensor, rows: tf.Tensor, padding: number): tf.Tensor {
  const op = tf.customGrad((x, save) => {
    (save as tf.GradSaveFunc)([rows]);
    return {
      value: tf.clone(x as tf.Tensor),
      gradFunc: (dy: tf.Tensor, [ids]: tf.Tensor[]) => {
        const counts = tf.cast(tf.notEqual(ids!, tf.scalar(padding, "int32")), "float32");
        return tf.mul(dy, tf.expandDims(counts, -1));
      },
    };
  });
  return op(vectors);
}
