// A product with a known matrix along one axis: how a tensor is resampled, averaged over windows, or transformed, where
// each place of the output is a fixed combination of places of the input. The gradient is the product with the transpose.

import * as tf from "@tensorflow/tfjs";
import { type Attrs, type Node, sizeOf } from "../engine/graph.js";
import { axisOf } from "../engine/kernels/shapes.js";
import { defineOp } from "../engine/op.js";

/** A matrix, row by row. */
export interface AxisMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array;
}

/** A matrix from its elements. */
export function axisMatrix(rows: number, columns: number, at: (row: number, column: number) => number): AxisMatrix {
  const data = Float32Array.from({ length: rows * columns }, (_, i) => at(Math.floor(i / columns), i % columns));
  return { rows, columns, data };
}

/** A shape as what is before, on and behind an axis. */
function around(shape: readonly number[], { axis }: Attrs): [outer: number, length: number, inner: number] {
  const at = axis as number;
  return [sizeOf(shape.slice(0, at)), shape[at]!, sizeOf(shape.slice(at + 1))];
}

const op = defineOp({
  name: "PeftAxisProduct",
  infer: ({ x, matrix }, { axis, transposed }) => ({
    shape: x!.shape.with(axis as number, matrix!.shape[transposed ? 1 : 0]!),
    dtype: "float32",
  }),
  emit: ({ inputs, attrs, outputs }, e) => {
    const { x, matrix } = inputs;
    const [outer, length, inner] = around(x!.shape, attrs);
    const { shape } = outputs[0]!;
    if (inner === 1) {
      const operands = [e.view(e.of(x!), x!.shape, [outer, length]), e.of(matrix!)];
      const y = e.op("Gemm", operands, { transB: attrs.transposed ? 0n : 1n });
      return e.view(y, [outer, shape[attrs.axis as number]!], shape);
    }
    const left = attrs.transposed ? e.op("Transpose", [e.of(matrix!)], { perm: [1n, 0n] }) : e.of(matrix!);
    return e.reshape(e.op("MatMul", [left, e.reshape(e.of(x!), [outer, length, inner])]), shape);
  },
  rows: ({ attrs }: Node) => ((attrs.axis as number) > 0 ? ["x"] : undefined),
  eager: ({ x, matrix }, attrs) => {
    const [outer, length, inner] = around(x!.shape, attrs);
    const transposed = attrs.transposed as boolean;
    const rows = matrix!.shape[transposed ? 1 : 0]!;
    const y =
      inner === 1
        ? tf.matMul(tf.reshape(x!, [outer, length]), matrix!, false, !transposed)
        : tf.matMul(tf.expandDims(matrix!, 0), tf.reshape(x!, [outer, length, inner]), transposed, false);
    return tf.reshape(y, x!.shape.with(attrs.axis as number, rows));
  },
  gradient: {
    saves: ["matrix"],
    of: (dy, [matrix], attrs) => ({
      x: () => op({ x: dy as tf.Tensor, matrix: matrix! }, { ...attrs, transposed: !attrs.transposed })[0]!,
    }),
  },
});

/**
 * The matrix times each vector along an axis: [..., columns, ...] to [..., rows, ...]; transposed, the other way round.
 *
 * @param axis counted from the front or the back
 */
export function axisProduct(x: tf.Tensor, matrix: AxisMatrix, axis: number, transposed = false): tf.Tensor {
  const constant = tf.tensor2d(matrix.data, [matrix.rows, matrix.columns]);
  return op({ x, matrix: constant }, { axis: axisOf(axis, x.rank), transposed })[0]!;
}
