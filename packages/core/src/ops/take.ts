// Places of an axis, taken in an order that is known beforehand: padding by reflection or repetition, rolling, resampling to
// the nearest. The gradient gives every place the sum of what was taken from it.

import * as tf from "@tensorflow/tfjs";
import type { Node } from "../engine/graph.js";
import { axisOf } from "../engine/kernels/shapes.js";
import { defineOp } from "../engine/op.js";
import { axisMatrix, axisProduct } from "./axisProduct.js";

/** Up to so many ascending runs are cut out and joined, which is quicker than picking places one by one. */
const MAX_RUNS = 8;

/** Ascending runs of neighbouring positions, each from its first up to and without its end. */
function runsOf(positions: readonly number[]): [from: number, to: number][] {
  const runs: [number, number][] = [];
  for (const position of positions) {
    const last = runs.at(-1);
    if (last && last[1] === position) last[1]++;
    else runs.push([position, position + 1]);
  }
  return runs;
}

/** Where each position of the input went, if each was taken exactly once. */
function inverseOf(positions: readonly number[], length: number): number[] | undefined {
  if (positions.length !== length || new Set(positions).size !== length) return undefined;
  const inverse = new Array<number>(length);
  positions.forEach((position, i) => {
    inverse[position] = i;
  });
  return inverse;
}

const op = defineOp({
  name: "PeftTake",
  infer: ({ x }, { axis, positions }) => ({
    shape: x!.shape.with(axis as number, (positions as number[]).length),
    dtype: x!.dtype,
  }),
  emit: ({ inputs, attrs }, e) => {
    const positions = attrs.positions as number[];
    const axis = attrs.axis as number;
    const runs = runsOf(positions);
    if (runs.length > MAX_RUNS) {
      const indices = e.constant("int32", [positions.length], new Uint8Array(Int32Array.from(positions).buffer));
      return e.op("Gather", [e.of(inputs.x!), indices], { axis: BigInt(axis) });
    }
    const parts = runs.map(([from, to]) =>
      e.op("Slice", [e.of(inputs.x!), e.ints([from]), e.ints([to]), e.ints([axis])]),
    );
    return parts.length === 1 ? parts[0]! : e.op("Concat", parts, { axis: BigInt(axis) });
  },
  rows: ({ attrs }: Node) => ((attrs.axis as number) > 0 ? ["x"] : undefined),
  eager: ({ x }, { axis, positions }) => tf.gather(x!, tf.tensor1d(positions as number[], "int32"), axis as number),
  gradient: {
    saves: ["x"],
    of: (dy, [x], attrs) => ({
      x: () => {
        const positions = attrs.positions as number[];
        const axis = attrs.axis as number;
        const length = x!.shape[axis]!;
        const inverse = inverseOf(positions, length);
        if (inverse) return op({ x: dy as tf.Tensor }, { axis, positions: inverse })[0]!;
        const taken = axisMatrix(positions.length, length, (i, j) => (positions[i] === j ? 1 : 0));
        return axisProduct(dy as tf.Tensor, taken, axis, true);
      },
    }),
  },
});

/**
 * The places at `positions` of an axis, in that order: [..., length, ...] to [..., positions, ...].
 *
 * @param positions each in 0..length-1
 * @param axis counted from the front or the back
 */
export function take(x: tf.Tensor, positions: readonly number[], axis: number): tf.Tensor {
  return op({ x }, { axis: axisOf(axis, x.rank), positions: [...positions] })[0]!;
}
