// The elementwise kernels at the ends of the number range: element by element, where a measure over whole tensors would see
// the largest numbers alone.

import * as tf from "@tensorflow/tfjs";
import { compile } from "../../engine/index.js";
import { BOUNDS } from "../error.js";
import type { Check } from "./check.js";

const SPECIAL = [0, -0, 0.5, -0.5, 1, -1, 1.5, 2.5, -2.5, 1e-8, -1e-8, 1e-30, 20, -20, 90, -90, 1e30, -1e30];
const VALUES = [...SPECIAL, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];
/** ONNX Runtime reduces the argument of a large angle in float32; there is no agreement to be had beyond a few turns. */
const ANGLES = VALUES.filter((x) => !(Math.abs(x) > 100 && Math.abs(x) < 1e38));

const NUMBERS = VALUES.filter((x) => !Number.isNaN(x));
/** Where float32 loses the sum of dividend and divisor, each engine rounds to another of the two ends. */
const DIVIDENDS = VALUES.filter((x) => x === 0 || (Math.abs(x) > 0.1 && Math.abs(x) < 100) || Number.isNaN(x));
/** What is added to or taken from 1 in float32 keeps no more than this of a small result; `erf` is that good in TensorFlow.js. */
const ROUNDING = 1e-7;

const UNARY: Record<string, [fn: (x: tf.Tensor) => tf.Tensor, values?: readonly number[], absolute?: number]> = {
  abs: [tf.abs],
  asin: [tf.asin],
  asinh: [tf.asinh],
  atan: [tf.atan],
  ceil: [tf.ceil],
  clipByValue: [(x) => tf.clipByValue(x, -1, 1)],
  cos: [tf.cos, ANGLES],
  cosh: [tf.cosh],
  elu: [tf.elu, VALUES, ROUNDING],
  erf: [tf.erf, VALUES, ROUNDING],
  exp: [tf.exp],
  expm1: [tf.expm1],
  floor: [tf.floor],
  isFinite: [tf.isFinite],
  isInf: [tf.isInf],
  isNaN: [tf.isNaN],
  leakyRelu: [tf.leakyRelu],
  log: [tf.log],
  log1p: [tf.log1p],
  neg: [tf.neg],
  reciprocal: [tf.reciprocal],
  relu: [tf.relu],
  relu6: [tf.relu6],
  round: [tf.round],
  rsqrt: [tf.rsqrt],
  selu: [tf.selu, VALUES, ROUNDING],
  sigmoid: [tf.sigmoid, VALUES, ROUNDING],
  // Of NaN it is 0 in TensorFlow.js; compiled, NaN stays NaN.
  sign: [tf.sign, NUMBERS],
  sin: [tf.sin, ANGLES],
  sinh: [tf.sinh],
  softplus: [tf.softplus],
  sqrt: [tf.sqrt],
  square: [tf.square],
  step: [(x) => tf.step(x)],
  tan: [tf.tan, ANGLES],
  tanh: [tf.tanh],
  "max along an axis": [(x) => tf.max(tf.stack([tf.onesLike(x), x, tf.onesLike(x)]), 0)],
  "min along an axis": [(x) => tf.min(tf.stack([tf.onesLike(x), x, tf.onesLike(x)]), 0)],
  softmax: [(x) => tf.softmax(tf.stack([x, tf.zerosLike(x), tf.onesLike(x)], 1))],
  logSoftmax: [(x) => tf.logSoftmax(tf.stack([x, tf.zerosLike(x), tf.onesLike(x)], 1))],
};
const BINARY: Record<string, [fn: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor, values?: readonly number[]]> = {
  add: [tf.add],
  sub: [tf.sub],
  mul: [tf.mul],
  div: [tf.div],
  maximum: [tf.maximum],
  minimum: [tf.minimum],
  mod: [tf.mod, DIVIDENDS],
  "floorDiv of integers": [
    (a, b) => tf.floorDiv(tf.cast(a, "int32"), tf.cast(b, "int32")),
    [0, 1, -1, 2, -2, 7, -7, 16_777_213, -16_777_213, 2_147_483_520, -2_147_483_648],
  ],
  // JavaScript alone has NaN for 1 to the power of NaN or infinity.
  pow: [(a, b) => tf.where(tf.equal(tf.abs(a), 1), tf.onesLike(a), tf.pow(a, b))],
  equal: [tf.equal],
  notEqual: [tf.notEqual],
  greater: [tf.greater],
  greaterEqual: [tf.greaterEqual],
  less: [tf.less],
  lessEqual: [tf.lessEqual],
};

/** Smaller than any float32 that is not denormal: what is below it counts as zero. */
const TINY = 1e-37;

/** Largest relative difference of two elements, where one of `absolute` counts as one of the bound. */
function errorOf(actual: ArrayLike<number>, expected: ArrayLike<number>, absolute: number): number {
  let worst = actual.length === expected.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [actual[i]!, expected[i]!];
    if (Object.is(a, b) || a === b) continue;
    const error = Math.abs(a - b) / (Math.abs(b) + absolute / BOUNDS.engines);
    worst = Math.max(worst, Number.isFinite(error) ? error : Number.POSITIVE_INFINITY);
  }
  return worst;
}

function check(
  name: string,
  fn: (...x: tf.Tensor[]) => tf.Tensor,
  columns: readonly (readonly number[])[],
  absolute = TINY,
): Check {
  const run = compile(fn);
  const evaluate = async (): Promise<ArrayLike<number>> => {
    const y = await run(
      ...columns.map((values) => ({
        data: Float32Array.from(values),
        shape: [values.length],
        dtype: "float32" as const,
      })),
    );
    const data = (await y.data()).slice();
    y.dispose();
    return data;
  };
  return {
    op: `${name}, extreme values`,
    bounds: { forward: BOUNDS.engines, gradient: 0 },
    prepare: async () => {
      const expected = await evaluate();
      return async () => ({ forward: errorOf(await evaluate(), expected, absolute) });
    },
  };
}

export function extremeChecks(): Check[] {
  return [
    ...Object.entries(UNARY).map(([name, [fn, values = VALUES, absolute]]) =>
      check(name, (x) => fn(x!), [values], absolute),
    ),
    ...Object.entries(BINARY).map(([name, [fn, values = VALUES]]) => {
      const left = values.flatMap((a) => values.map(() => a));
      const right = values.flatMap(() => values);
      return check(name, (a, b) => fn(a!, b!), [left, right]);
    }),
  ];
}
