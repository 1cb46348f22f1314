// GELU (Hendrycks and Gimpel 2016), exact by the error function, and the tanh approximation of the same paper.

import * as tf from "@tensorflow/tfjs";
import { defineOp } from "../engine/op.js";

const SQRT_HALF = Math.SQRT1_2;
const DENSITY = 1 / Math.sqrt(2 * Math.PI);
/** tanh form: 0.5 x (1 + tanh(A (x + B x^3))). */
const A = Math.sqrt(2 / Math.PI);
const B = 0.044715;

const exact = defineOp({
  name: "PeftGelu",
  infer: ({ x }) => x!,
  emit: ({ inputs }, e) => e.op("Gelu", [e.of(inputs.x!)], {}, "com.microsoft"),
  rows: () => ["x"],
  eager: ({ x }) => tf.mul(tf.mul(x!, 0.5), tf.add(tf.erf(tf.mul(x!, SQRT_HALF)), 1)),
  gradient: {
    saves: ["x"],
    of: (dy, [x]) => ({ x: () => exactGradient({ x: x!, dy: dy as tf.Tensor })[0]! }),
  },
});

/** d/dx gelu = Phi(x) + x phi(x), with 2 Phi(x) = 1 + erf(x / sqrt 2). */
const exactGradient = defineOp({
  name: "PeftGeluGradient",
  infer: ({ x }) => x!,
  emit: ({ inputs }, e) => {
    const x = e.of(inputs.x!);
    const scaled = e.op("Mul", [x, e.float(SQRT_HALF)]);
    const erf = e.op("Erf", [scaled]);
    // 2 x phi(x) = scaled * exp(ln(2 / sqrt pi) - scaled^2): the factor costs no pass over memory of its own.
    const bell = e.op("Exp", [e.op("Sub", [e.float(Math.log(2 / Math.sqrt(Math.PI))), e.op("Mul", [scaled, scaled])])]);
    const slope = e.op("Mul", [scaled, bell]);
    const twice = e.op("Add", [e.op("Add", [erf, slope]), e.float(1)]);
    return e.op("Mul", [e.op("Mul", [twice, e.float(0.5)]), e.of(inputs.dy!)]);
  },
  rows: () => ["x", "dy"],
  eager: ({ x, dy }) => {
    const cumulative = tf.mul(tf.add(tf.erf(tf.mul(x!, SQRT_HALF)), 1), 0.5);
    const density = tf.mul(tf.exp(tf.mul(tf.square(x!), -0.5)), DENSITY);
    return tf.mul(dy!, tf.add(cumulative, tf.mul(x!, density)));
  },
});

const approximate = defineOp({
  name: "PeftGeluTanh",
  infer: ({ x }) => x!,
  emit: ({ inputs }, e) => e.op("FastGelu", [e.of(inputs.x!)], {}, "com.microsoft"),
  rows: () => ["x"],
  eager: ({ x }) => {
    const inner = tf.mul(tf.add(x!, tf.mul(tf.mul(tf.square(x!), x!), B)), A);
    return tf.mul(tf.mul(x!, 0.5), tf.add(tf.tanh(inner), 1));
  },
  gradient: {
    saves: ["x"],
    of: (dy, [x]) => ({ x: () => approximateGradient({ x: x!, dy: dy as tf.Tensor })[0]! }),
  },
});

/** With t = tanh(A (x + B x^3)): 0.5 (1 + t) + 0.5 x (1 - t^2) A (1 + 3 B x^2). */
const approximateGradient = defineOp({
  name: "PeftGeluTanhGradient",
  infer: ({ x }) => x!,
  emit: ({ inputs }, e) => {
    const x = e.of(inputs.x!);
    const square = e.op("Mul", [x, x]);
    const inner = e.op("Mul", [x, e.op("Add", [e.op("Mul", [square, e.float(A * B)]), e.float(A)])]);
    const t = e.op("Tanh", [inner]);
    const sech = e.op("Sub", [e.float(1), e.op("Mul", [t, t])]);
    const chain = e.op("Mul", [x, e.op("Add", [e.op("Mul", [square, e.float(3 * A * B)]), e.float(A)])]);
    const twice = e.op("Add", [e.op("Add", [t, e.float(1)]), e.op("Mul", [sech, chain])]);
    return e.op("Mul", [e.op("Mul", [twice, e.float(0.5)]), e.of(inputs.dy!)]);
  },
  rows: () => ["x", "dy"],
  eager: ({ x, dy }) => {
    const square = tf.square(x!);
    const t = tf.tanh(tf.mul(tf.mul(x!, tf.add(tf.mul(square, B), 1)), A));
    const chain = tf.mul(tf.mul(x!, tf.add(tf.mul(square, 3 * B), 1)), A);
    return tf.mul(dy!, tf.mul(tf.add(tf.add(t, 1), tf.mul(tf.sub(1, tf.square(t)), chain)), 0.5));
  },
});

/** The exact GELU, x Phi(x), element by element. */
export function gelu(x: tf.Tensor): tf.Tensor {
  return exact({ x })[0]!;
}

/** The tanh approximation of GELU (`gelu_new` of Hugging Face), at most 4.7e-4 away from the exact one. */
export function geluTanh(x: tf.Tensor): tf.Tensor {
  return approximate({ x })[0]!;
}
