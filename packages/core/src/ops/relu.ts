// ReLU, max(x, 0); its gradient at zero is zero, as in PyTorch.

import * as tf from "@tensorflow/tfjs";
import { defineOp } from "../engine/op.js";

const op = defineOp({
  name: "PeftRelu",
  infer: ({ x }) => x!,
  emit: ({ inputs }, e) => e.op("Relu", [e.of(inputs.x!)]),
  rows: () => ["x"],
  eager: ({ x }) => tf.relu(x!),
  gradient: {
    // The output is positive where the input is, so the input need not be kept.
    savesOutputs: [true],
    of: (dy, [y]) => ({ x: () => gradient({ y: y!, dy: dy as tf.Tensor })[0]! }),
  },
});

const gradient = defineOp({
  name: "PeftReluGradient",
  infer: ({ y }) => y!,
  emit: ({ inputs }, e) =>
    e.op("Where", [e.op("Greater", [e.of(inputs.y!), e.float(0)]), e.of(inputs.dy!), e.float(0)]),
  rows: () => ["y", "dy"],
  eager: ({ y, dy }) => tf.mul(dy!, tf.step(y!)),
});

/** ReLU, max(x, 0), element by element. */
export function relu(x: tf.Tensor): tf.Tensor {
  return op({ x })[0]!;
}
