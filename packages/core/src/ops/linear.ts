// y = x W^T + b, the product that every layer is made of, and its gradients, which are products again.

import * as tf from "@tensorflow/tfjs";
import type { Emitter } from "../engine/emit.js";
import { type Attrs, type Node, sizeOf } from "../engine/graph.js";
import { elementwiseRows } from "../engine/kernels/elementwise.js";
import { defineOp } from "../engine/op.js";
import { PeftError } from "../errors.js";
import { sumLeading } from "./sumLeading.js";

/** Leading dimensions as one: [..., n] as [rows, n]. */
function asMatrix(shape: readonly number[]): [number, number] {
  const columns = shape.at(-1)!;
  return [sizeOf(shape) / columns, columns];
}

function matrix(e: Emitter, name: string, shape: readonly number[]): string {
  return e.view(name, shape, asMatrix(shape));
}

/**
 * x [..., in] times a weight, plus `c`: a bias [out], or a whole tensor [..., out] where a sum was absorbed. The weight is
 * [out, in] where `transposed` (a layer's forward pass), [in, out] where not (its gradient by the input).
 */
const product = defineOp({
  name: "PeftLinear",
  infer: ({ x, weight }, { transposed }) => ({
    shape: [...x!.shape.slice(0, -1), weight!.shape[transposed ? 0 : 1]!],
    dtype: "float32",
  }),
  emit: ({ inputs, attrs, outputs }, e) => {
    const { x, weight, c } = inputs;
    const operands = [matrix(e, e.of(x!), x!.shape), e.of(weight!)];
    if (c) operands.push(c.shape.length === 1 ? e.of(c) : matrix(e, e.of(c), c.shape));
    const y = e.op("Gemm", operands, { transB: attrs.transposed ? 1n : 0n });
    return e.view(y, asMatrix(outputs[0]!.shape), outputs[0]!.shape);
  },
  rows: (node: Node) =>
    elementwiseRows(node).filter((name) => name !== "weight" && (name !== "c" || node.inputs.c!.shape.length > 1)),
  eager: ({ x, weight, c }, { transposed }) => {
    const y = tf.matMul(tf.reshape(x!, asMatrix(x!.shape)), weight as tf.Tensor2D, false, transposed as boolean);
    const shaped = tf.reshape(y, [...x!.shape.slice(0, -1), y.shape[1]!]);
    return c ? tf.add(shaped, c) : shaped;
  },
  gradient: {
    saves: ["x", "weight"],
    of: (dy, [x, weight], { transposed }) => {
      const dOut = dy as tf.Tensor;
      return {
        x: () => product({ x: dOut, weight: weight! }, { transposed: !transposed })[0]!,
        weight: () => weightGradient(transposed ? { dy: dOut, x: x! } : { dy: x!, x: dOut })[0]!,
        c: () => sumLeading(dOut),
      };
    },
  },
});

/** dy^T x over all rows: dy [..., out], x [..., in] gives [out, in], plus `c` [out, in] where a sum was absorbed. */
const weightGradient = defineOp({
  name: "PeftLinearWeightGradient",
  infer: ({ dy, x }) => ({ shape: [dy!.shape.at(-1)!, x!.shape.at(-1)!], dtype: "float32" }),
  emit: ({ inputs }, e) => {
    const { dy, x, c } = inputs;
    const operands = [matrix(e, e.of(dy!), dy!.shape), matrix(e, e.of(x!), x!.shape)];
    if (c) operands.push(e.of(c));
    return e.op("Gemm", operands, { transA: 1n });
  },
  sumsRows: () => ["dy", "x"],
  eager: ({ dy, x, c }: Readonly<Record<string, tf.Tensor>>, _attrs: Attrs) => {
    const gradient = tf.matMul(tf.reshape(dy!, asMatrix(dy!.shape)), tf.reshape(x!, asMatrix(x!.shape)), true, false);
    return c ? tf.add(gradient, c) : gradient;
  },
});

/**
 * A linear layer's product.
 *
 * @param x [..., in]
 * @param weight [out, in], as in PyTorch's checkpoints
 * @param bias [out]
 * @param scale of the result. The weight and the bias are multiplied by it, which are smaller than what they give
 * @returns [..., out]
 * @throws PeftError SHAPE_MISMATCH if the inner dimensions differ
 */
export function linear(x: tf.Tensor, weight: tf.Tensor, bias?: tf.Tensor, scale = 1): tf.Tensor {
  if (weight.rank !== 2 || x.shape.at(-1) !== weight.shape[1]) {
    throw new PeftError("SHAPE_MISMATCH", `linear: x [${x.shape}] does not fit a weight of [${weight.shape}]`);
  }
  if (bias && (bias.rank !== 1 || bias.shape[0] !== weight.shape[0])) {
    throw new PeftError(
      "SHAPE_MISMATCH",
      `linear: a bias of [${bias.shape}] does not fit a weight of [${weight.shape}]`,
    );
  }
  const scaled = (tensor: tf.Tensor): tf.Tensor => (scale === 1 ? tensor : tf.mul(tensor, scale));
  const factors = { x, weight: scaled(weight) };
  return product(bias ? { ...factors, c: scaled(bias) } : factors, { transposed: true })[0]!;
}
