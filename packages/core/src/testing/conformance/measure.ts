// What the engine in use makes of an op's cases: outputs, and gradients of a loss that weighs the outputs' elements
// differently. All cases are one compiled function, so that a case costs no graph and no session of its own.

import * as tf from "@tensorflow/tfjs";
import { compile, type DType, gradients, Parameter } from "../../engine/index.js";
import { hash, unit } from "../../random.js";
import { gradientFloor, relativeError } from "../error.js";

export interface Input {
  readonly shape: readonly number[];
  /** @defaultValue "float32" */
  readonly dtype?: DType;
  /** Numbers lie in [low, high]. @defaultValue -2 and 2 */
  readonly low?: number;
  readonly high?: number;
}

export interface Case {
  readonly inputs: readonly Input[];
  apply(x: tf.Tensor[]): tf.Tensor | tf.Tensor[];
}

export interface Result {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly data: ArrayLike<number>;
}

export interface Measured {
  readonly outputs: readonly Result[];
  /** By the float32 inputs of all cases; empty where none was asked for. */
  readonly gradients: readonly Result[];
}

/** How far an op is from what it must compute; infinite where a shape, a type, a whole number or a truth value differs. */
export interface Errors {
  readonly forward: number;
  /** Absent where there is no gradient. */
  readonly gradient?: number;
}

/** Where the draws of the cases are made. */
const KEY = { seed: 3, step: 5 };

/**
 * Evaluates the cases on the engine in use.
 *
 * @param differentiable whether to take the gradient by every float32 input
 */
export async function measure(cases: readonly Case[], differentiable: boolean): Promise<Measured> {
  const parameters = cases.map(({ inputs }, n) =>
    inputs.map((input, i) => {
      const data = numbers(input, n * 10 + i);
      return new Parameter(input.shape, data, { name: `case${n}.${i}`, dtype: input.dtype });
    }),
  );
  const all = parameters.flat();
  const run = compile(() => {
    const apply = (): tf.Tensor[] =>
      cases.flatMap((one, n) => listOf(one.apply(parameters[n]!.map((parameter) => parameter.value()))));
    if (!differentiable) return { outputs: apply(), found: [] as tf.Tensor[] };
    const outputs: tf.Tensor[] = [];
    const { gradients: found } = gradients(
      () => {
        outputs.push(...apply().map((y) => tf.keep(y)));
        const losses = outputs.map((y, n) => {
          const weights = tf.tensor(numbers({ shape: y.shape, low: -1, high: 1 }, n), y.shape);
          return tf.sum(tf.mul(tf.cast(y, "float32"), weights));
        });
        return tf.addN(losses);
      },
      all.filter((parameter) => parameter.dtype === "float32"),
    );
    return { outputs, found };
  });
  try {
    const { outputs, found } = await run.at(KEY)();
    return { outputs: await resultsOf(outputs), gradients: await resultsOf(found) };
  } finally {
    for (const parameter of all) parameter.dispose();
  }
}

export function errorsBetween(actual: Measured, expected: Measured): Errors {
  const forward = worst(actual.outputs, expected.outputs);
  if (expected.gradients.length === 0) return { forward };
  const floor = gradientFloor(expected.gradients.map(({ data }) => data));
  return { forward, gradient: worst(actual.gradients, expected.gradients, floor) };
}

function worst(actual: readonly Result[], expected: readonly Result[], floor = 0): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  return Math.max(0, ...expected.map((reference, i) => errorOf(actual[i]!, reference, floor)));
}

function errorOf(actual: Result, expected: Result, floor: number): number {
  if (actual.dtype !== expected.dtype || actual.shape.join() !== expected.shape.join()) return Number.POSITIVE_INFINITY;
  if (expected.dtype === "float32") return relativeError(actual.data, expected.data, floor);
  return Array.from(expected.data).every((x, i) => x === actual.data[i]) ? 0 : Number.POSITIVE_INFINITY;
}

/** Numbers for an input, the same for the same seed; away from whole numbers, where functions have kinks and steps. */
function numbers(
  { shape, dtype = "float32", low = -2, high = 2 }: Input,
  seed: number,
): Float32Array | Int32Array | Uint8Array {
  const length = shape.reduce((product, d) => product * d, 1);
  const at = (i: number): number => unit(hash(seed, i));
  if (dtype === "bool") return Uint8Array.from({ length }, (_, i) => (at(i) < 0.5 ? 0 : 1));
  if (dtype === "int32") {
    const [from, to] = [Math.ceil(low), Math.floor(high)];
    return Int32Array.from({ length }, (_, i) => from + Math.floor(at(i) * (to - from + 1)));
  }
  return Float32Array.from({ length }, (_, i) => {
    const x = low + at(i) * (high - low);
    return Math.abs(x - Math.round(x)) < 0.01 ? x + 0.02 : x;
  });
}

export function listOf(y: tf.Tensor | tf.Tensor[]): tf.Tensor[] {
  return Array.isArray(y) ? y : [y];
}

/** Reads tensors and disposes of them. */
async function resultsOf(tensors: readonly tf.Tensor[]): Promise<Result[]> {
  const results = await Promise.all(
    tensors.map(async (t) => ({ shape: t.shape, dtype: t.dtype, data: (await t.data()).slice() as Float32Array })),
  );
  tf.dispose([...tensors]);
  return results;
}
