// What must come out to the last bit: random bits, sums by position of whole numbers, and a choice between numbers that lets
// no NaN through.

import * as tf from "@tensorflow/tfjs";
import { compile, type Outputs } from "../../engine/index.js";
import type { HostArray } from "../../hostArray.js";
import { randomBits, select } from "../../ops/index.js";
import { hash } from "../../random.js";
import { countDifferences } from "../error.js";
import type { Check } from "./check.js";

/** A check whose error is the count of numbers that differ. */
function exact(
  op: string,
  fn: (...x: tf.Tensor[]) => tf.Tensor[],
  args: readonly HostArray[],
  known?: readonly ArrayLike<number>[],
): Check {
  const run = compile((...x: tf.Tensor[]): Outputs => fn(...x));
  const evaluate = async (): Promise<ArrayLike<number>[]> => {
    const tensors = (await run(...args)) as tf.Tensor[];
    const data = await Promise.all(tensors.map(async (tensor) => (await tensor.data()).slice()));
    tf.dispose(tensors);
    return data;
  };
  return {
    op,
    bounds: { forward: 0, gradient: 0 },
    prepare: async () => {
      const expected = known ?? (await evaluate());
      return async () => {
        const actual = await evaluate();
        const counts = expected.map((numbers, i) => countDifferences(actual[i]!, numbers));
        return { forward: counts.reduce((sum, count) => sum + count, 0) };
      };
    },
  };
}

const ints = (data: Int32Array, shape: number[] = [data.length]): HostArray => ({ data, shape, dtype: "int32" });
const floats = (...data: number[]): HostArray => ({
  data: Float32Array.from(data),
  shape: [data.length],
  dtype: "float32",
});

/** Many updates of few places, so that a lost one shows. */
function sumsByPosition(): Check {
  const [rows, width, segments] = [5000, 33, 7];
  const ids = Int32Array.from({ length: rows }, (_, i) => hash(1, i) % segments);
  const x = Int32Array.from({ length: rows * width }, (_, i) => (hash(2, i) % 2001) - 1000);
  const sums = new Int32Array(segments * width);
  x.forEach((value, i) => {
    sums[ids[Math.floor(i / width)]! * width + (i % width)]! += value;
  });
  return exact(
    "sums by position, whole numbers",
    (values, at) => [
      tf.unsortedSegmentSum(values!, at as tf.Tensor1D, segments),
      tf.unsortedSegmentSum(tf.cast(values!, "float32"), at as tf.Tensor1D, segments),
      tf.scatterND(tf.expandDims(at!, 1), values!, [segments, width]),
    ],
    [ints(x, [rows, width]), ints(ids)],
    [sums, sums, sums],
  );
}

export function exactChecks(): Check[] {
  return [
    exact("randomBits", (key) => [randomBits(key!, [5, 1001])], [ints(Int32Array.of(-123456789))]),
    exact(
      "select, of what is not finite",
      (flag, bad, good) => [
        select(tf.greater(tf.squeeze(flag!), 0), bad!, good!),
        select(tf.lessEqual(tf.squeeze(flag!), 0), good!, bad!),
      ],
      [floats(0), floats(Number.NaN, Number.POSITIVE_INFINITY), floats(1, 2)],
      [
        [1, 2],
        [1, 2],
      ],
    ),
    sumsByPosition(),
  ];
}
