// Every TensorFlow.js kernel that the compiled engine can write, against the kernel itself run op by op: outputs, and the
// gradients where TensorFlow.js has one. All cases of a kernel are one graph, so that a case costs no session of its own.

import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kernelNames } from "../../src/engine/kernel.js";
import { trace } from "../../src/engine/trace.js";
import { compile, type DType, gradients, Parameter, useEngine } from "../../src/index.js";
import { hash, unit } from "../../src/random.js";
import { gradientFloor, relativeError } from "../../src/testing/index.js";
import { type Case, type Input, SUITES } from "./kernelCases/index.js";

const RUNS = 12;

/** What the gradient of another kernel reaches alone: of Elu. */
const IN_GRADIENTS = ["EluGrad"];
/** "Kernel" or "Kernel, what is special". */
const kernelOf = (suite: string): string => suite.split(",")[0]!;

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
  // Away from whole numbers and from 0, where functions have their kinks and steps.
  return Float32Array.from({ length }, (_, i) => {
    const x = low + at(i) * (high - low);
    return Math.abs(x - Math.round(x)) < 0.01 ? x + 0.02 : x;
  });
}

interface Numbers {
  readonly shape: number[];
  readonly dtype: string;
  readonly data: ArrayLike<number>;
}

const listOf = (y: tf.Tensor | tf.Tensor[]): tf.Tensor[] => (Array.isArray(y) ? y : [y]);
const numbersOf = (tensors: tf.Tensor[]): Promise<Numbers[]> =>
  Promise.all(tensors.map(async (t) => ({ shape: t.shape, dtype: t.dtype, data: (await t.data()) as Float32Array })));

async function evaluate(cases: Case[], differentiable: boolean): Promise<{ outputs: Numbers[]; gradients: Numbers[] }> {
  const parameters = cases.map((c, n) =>
    c.inputs.map(
      (input, i) =>
        new Parameter(input.shape, numbers(input, n * 10 + i), { name: `case${n}.${i}`, dtype: input.dtype }),
    ),
  );
  const run = compile(() => {
    const outputs: tf.Tensor[] = [];
    const apply = (): tf.Tensor[] =>
      cases.flatMap((c, n) => listOf(c.apply(parameters[n]!.map((parameter) => parameter.value()))));
    if (!differentiable) return { outputs: apply(), found: [] as tf.Tensor[] };
    const differentiated = parameters.flat().filter((parameter) => parameter.dtype === "float32");
    const { gradients: found } = gradients(() => {
      outputs.push(...apply().map((y) => tf.keep(y)));
      const losses = outputs.map((y, n) => {
        const weights = tf.tensor(numbers({ shape: y.shape, low: -1, high: 1 }, n), y.shape);
        return tf.sum(tf.mul(tf.cast(y, "float32"), weights));
      });
      return tf.addN(losses);
    }, differentiated);
    return { outputs, found };
  });
  const { outputs, found } = await run();
  return { outputs: await numbersOf(outputs), gradients: await numbersOf(found) };
}

function expectAlike(actual: Numbers[], expected: Numbers[], what: string, floor = 0): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, reference] of expected.entries()) {
    const name = `${what} ${i}`;
    expect({ shape: actual[i]!.shape, dtype: actual[i]!.dtype }, name).toEqual({
      shape: reference.shape,
      dtype: reference.dtype,
    });
    if (reference.dtype === "float32") {
      expect(relativeError(actual[i]!.data, reference.data, floor), name).toBeLessThanOrEqual(1e-5);
    } else expect([...Array.from(actual[i]!.data)], name).toEqual([...Array.from(reference.data)]);
  }
}

describe("every kernel of TensorFlow.js that can be written", () => {
  it("has cases here", () => {
    const known = kernelNames().filter((name) => !name.startsWith("Peft"));
    const tested = new Set([...Object.keys(SUITES).map(kernelOf), ...IN_GRADIENTS]);
    expect(known.sort()).toEqual([...tested].sort());
  });

  const expected = new Map<string, Awaited<ReturnType<typeof evaluate>>>();
  const samples = new Map<string, Case[]>();

  beforeAll(async () => {
    await useEngine("eager");
    for (const [name, { cases, differentiable }] of Object.entries(SUITES)) {
      samples.set(name, fc.sample(cases, { numRuns: RUNS, seed: 7 }));
      expected.set(name, await evaluate(samples.get(name)!, differentiable));
    }
    await useEngine("compiled");
  });
  afterAll(async () => {
    await useEngine("eager");
  });

  for (const [name, { differentiable }] of Object.entries(SUITES)) {
    it(`${name}: compiled agrees with eager, ${differentiable ? "gradients too" : "forward"}`, async () => {
      const cases = samples.get(name)!;
      const recorded = cases.flatMap(({ inputs, apply }) => {
        const specs = inputs.map(({ shape, dtype = "float32" }) => ({ shape, dtype }));
        return trace(specs, (x) => listOf(apply(x))).nodes.map((node) => node.kernel);
      });
      expect(recorded).toContain(kernelOf(name));
      const reference = expected.get(name)!;
      const { outputs, gradients: found } = await evaluate(cases, differentiable);
      expectAlike(outputs, reference.outputs, "output");
      expectAlike(found, reference.gradients, "gradient", gradientFloor(reference.gradients.map((g) => g.data)));
    });
  }
});

describe("at the ends of the number range", () => {
  const SPECIAL = [0, -0, 0.5, -0.5, 1, -1, 1.5, 2.5, -2.5, 1e-8, -1e-8, 1e-30, 20, -20, 90, -90, 1e30, -1e30];
  const VALUES = [...SPECIAL, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];
  /** ONNX Runtime reduces the argument of a large angle in float32; there is no agreement to be had beyond a few turns. */
  const ANGLES = VALUES.filter((x) => !(Math.abs(x) > 100 && Math.abs(x) < 1e38));

  const NUMBERS = VALUES.filter((x) => !Number.isNaN(x));
  /** What is added to or taken from 1 in float32 keeps no more than this of a small result; `erf` is that good in TensorFlow.js. */
  const ROUNDING = 1e-7;

  const UNARY: Record<string, [fn: (x: tf.Tensor) => tf.Tensor, values?: number[], absolute?: number]> = {
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
    "max along an axis": [(x) => tf.max(tf.stack([x, tf.onesLike(x)]), 0)],
    "min along an axis": [(x) => tf.min(tf.stack([x, tf.onesLike(x)]), 0)],
    softmax: [(x) => tf.softmax(tf.stack([x, tf.zerosLike(x), tf.onesLike(x)], 1))],
    logSoftmax: [(x) => tf.logSoftmax(tf.stack([x, tf.zerosLike(x), tf.onesLike(x)], 1))],
  };
  const BINARY: Record<string, (a: tf.Tensor, b: tf.Tensor) => tf.Tensor> = {
    add: tf.add,
    sub: tf.sub,
    mul: tf.mul,
    div: tf.div,
    maximum: tf.maximum,
    minimum: tf.minimum,
    // JavaScript alone has NaN for 1 to the power of NaN or infinity.
    pow: (a, b) => tf.where(tf.equal(tf.abs(a), 1), tf.onesLike(a), tf.pow(a, b)),
    equal: tf.equal,
    notEqual: tf.notEqual,
    greater: tf.greater,
    greaterEqual: tf.greaterEqual,
    less: tf.less,
    lessEqual: tf.lessEqual,
  };

  it("mod is the same on both engines", () => {
    // Where float32 loses the sum of dividend and divisor, each engine rounds to another of the two ends.
    const values = VALUES.filter((x) => x === 0 || (Math.abs(x) > 0.1 && Math.abs(x) < 100) || Number.isNaN(x));
    const left = values.flatMap((a) => values.map(() => a));
    return compare((a, b) => tf.mod(a!, b!), [left, values.flatMap(() => values)]);
  });

  const host = (values: number[]): { data: Float32Array; shape: number[]; dtype: DType } => ({
    data: Float32Array.from(values),
    shape: [values.length],
    dtype: "float32",
  });
  async function compare(fn: (...x: tf.Tensor[]) => tf.Tensor, columns: number[][], absolute = 1e-37): Promise<void> {
    const same = (a: number, b: number): boolean =>
      Object.is(a, b) || a === b || Math.abs(a - b) <= 1e-5 * Math.abs(b) + absolute;
    const run = compile(fn);
    await useEngine("eager");
    const reference = [...(await (await run(...columns.map(host))).data())];
    await useEngine("compiled");
    const actual = [...(await (await run(...columns.map(host))).data())];
    const wrong = reference.flatMap((expected, i) => {
      const arguments_ = columns.map((column) => column[Math.floor((i * column.length) / reference.length)]);
      return same(actual[i]!, expected) ? [] : [`f(${arguments_}) [${i}] = ${actual[i]}, expected ${expected}`];
    });
    expect(wrong).toEqual([]);
  }

  for (const [name, [fn, values = VALUES, absolute]] of Object.entries(UNARY)) {
    it(`${name} is the same on both engines`, () => compare((x) => fn(x!), [values], absolute));
  }
  for (const [name, fn] of Object.entries(BINARY)) {
    it(`${name} is the same on both engines`, () => {
      const left = VALUES.flatMap((a) => VALUES.map(() => a));
      const right = VALUES.flatMap(() => VALUES);
      return compare((a, b) => fn(a!, b!), [left, right]);
    });
  }
});

describe("a kernel that cannot be written", () => {
  const picture = { data: new Float32Array(16), shape: [1, 4, 4, 1], dtype: "float32" } as const;

  it("is an error that names the kernel, the place and the way out", async () => {
    await useEngine("compiled");
    const weight = new Parameter([1], new Float32Array(1), { name: "encoder.layer.3.weight" });
    const run = compile((x) => tf.localResponseNormalization(tf.mul(x!, weight.value()) as tf.Tensor4D));
    await expect(run(picture)).rejects.toMatchObject({
      code: "ENGINE_KERNEL_MISSING",
      message: expect.stringContaining("LRN"),
      place: "encoder.layer.3",
      hint: expect.stringContaining('useEngine("eager")'),
    });
  });

  it("leaves the engine as it was", async () => {
    await useEngine("compiled");
    const before = tf.memory().numTensors;
    await expect(compile((x) => tf.localResponseNormalization(x as tf.Tensor4D))(picture)).rejects.toThrow();
    expect(tf.memory().numTensors).toBe(before);
    expect(tf.getBackend()).toBe("cpu");
    const y = await compile((x) => tf.add(x!, 1))(picture);
    expect((await y.data())[0]).toBe(1);
  });

  it("says what to do about a gather whose batch does not reach its axis", async () => {
    await useEngine("compiled");
    const indices = { data: new Int32Array(1), shape: [1, 1], dtype: "int32" } as const;
    const run = compile((x, at) => tf.gather(x!, at!, 2, 1));
    await expect(run(picture, indices)).rejects.toMatchObject({
      code: "ENGINE_KERNEL_MISSING",
      hint: expect.stringContaining("tf.transpose"),
    });
  });
});

describe("sums by position", () => {
  it("are exact over many repeated positions, on any number of threads", async () => {
    await useEngine("compiled");
    const [rows, width, segments] = [5000, 33, 7];
    const ids = Int32Array.from({ length: rows }, (_, i) => hash(1, i) % segments);
    const x = Int32Array.from({ length: rows * width }, (_, i) => (hash(2, i) % 2001) - 1000);
    const expected = new Int32Array(segments * width);
    x.forEach((value, i) => {
      expected[ids[Math.floor(i / width)]! * width + (i % width)]! += value;
    });
    const sums = compile((values, at) => [
      tf.unsortedSegmentSum(values!, at as tf.Tensor1D, segments),
      tf.unsortedSegmentSum(tf.cast(values!, "float32"), at as tf.Tensor1D, segments),
      tf.scatterND(tf.expandDims(at!, 1), values!, [segments, width]),
    ]);
    const results = await sums(
      { data: x, shape: [rows, width], dtype: "int32" },
      { data: ids, shape: [rows], dtype: "int32" },
    );
    for (const result of results) expect(Int32Array.from(await result.data())).toEqual(expected);
  });
});
