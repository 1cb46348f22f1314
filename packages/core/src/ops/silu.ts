// SiLU, x sigmoid(x) (Elfwing et al. 2017; "swish").

import * as tf from "@tensorflow/tfjs";
import { defineOp } from "../engine/op.js";

const op = defineOp({
  name: "PeftSilu",
  infer: ({ x }) => x!,
  emit: ({ inputs }, e) => e.op("Mul", [e.of(inputs.x!), e.op("Sigmoid", [e.of(inputs.x!)])]),
  rows: () => ["x"],
  eager: ({ x }) => tf.mul(x!, tf.sigmoid(x!)),
  gradient: {
    saves: ["x"],
    of: (dy, [x]) => ({ x: () => gradient({ x: x!, dy: dy as tf.Tensor })[0]! }),
  },
});

/** With s = sigmoid(x): s (1 + x (1 - s)). */
const gradient = defineOp({
  name: "PeftSiluGradient",
  infer: ({ x }) => x!,
  emit: ({ inputs }, e) => {
    const x = e.of(inputs.x!);
    const s = e.op("Sigmoid", [x]);
    const inner = e.op("Add", [e.op("Mul", [x, e.op("Sub", [e.float(1), s])]), e.float(1)]);
    return e.op("Mul", [e.op("Mul", [s, inner]), e.of(inputs.dy!)]);
  },
  rows: () => ["x", "dy"],
  eager: ({ x, dy }) => {
    const s = tf.sigmoid(x!);
    return tf.mul(dy!, tf.mul(s, tf.add(tf.mul(x!, tf.sub(1, s)), 1)));
  },
});

/** SiLU, x sigmoid(x), element by element. */
export function silu(x: tf.Tensor): tf.Tensor {
  return op({ x })[0]!;
}
