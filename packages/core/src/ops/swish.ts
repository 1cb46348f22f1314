// x sigmoid(alpha x): SiLU with alpha = 1 (Elfwing et al. 2017; "swish"), and with alpha = 1.702 the quick approximation of
// GELU (Hendrycks and Gimpel 2016) that CLIP was trained with.

import * as tf from "@tensorflow/tfjs";
import type { Emitter } from "../engine/emit.js";
import { defineOp } from "../engine/op.js";

const QUICK_GELU = 1.702;

const emitSwish = (e: Emitter, x: string, alpha: number): string => e.op("QuickGelu", [x], { alpha }, "com.microsoft");

function define(name: string, alpha: number): (x: tf.Tensor) => tf.Tensor {
  /** With s = sigmoid(alpha x): s (1 + alpha x (1 - s)), and x (1 - s) is x sigmoid(-alpha x). */
  const gradient = defineOp({
    name: `${name}Gradient`,
    infer: ({ x }) => x!,
    emit: ({ inputs }, e) => {
      const x = e.of(inputs.x!);
      const scaled = (value: string): string => (alpha === 1 ? value : e.op("Mul", [value, e.float(alpha)]));
      const s = e.op("Sigmoid", [scaled(x)]);
      const inner = e.op("Add", [scaled(emitSwish(e, x, -alpha)), e.float(1)]);
      return e.op("Mul", [e.op("Mul", [s, inner]), e.of(inputs.dy!)]);
    },
    rows: () => ["x", "dy"],
    eager: ({ x, dy }) => {
      const scaled = tf.mul(x!, alpha);
      const s = tf.sigmoid(scaled);
      return tf.mul(dy!, tf.mul(s, tf.add(tf.mul(scaled, tf.sub(1, s)), 1)));
    },
  });
  const op = defineOp({
    name,
    infer: ({ x }) => x!,
    emit: ({ inputs }, e) => emitSwish(e, e.of(inputs.x!), alpha),
    rows: () => ["x"],
    eager: ({ x }) => tf.mul(x!, tf.sigmoid(tf.mul(x!, alpha))),
    gradient: {
      saves: ["x"],
      of: (dy, [x]) => ({ x: () => gradient({ x: x!, dy: dy as tf.Tensor })[0]! }),
    },
  });
  return (x) => op({ x })[0]!;
}

/** SiLU, x sigmoid(x), element by element. */
export const silu: (x: tf.Tensor) => tf.Tensor = define("PeftSilu", 1);

/** The quick approximation of GELU, x sigmoid(1.702 x), element by element. */
export const quickGelu: (x: tf.Tensor) => tf.Tensor = define("PeftQuickGelu", QUICK_GELU);
