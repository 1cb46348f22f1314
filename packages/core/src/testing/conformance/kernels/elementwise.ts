// Cases of the elementwise kernels.

import * as tf from "@tensorflow/tfjs";
import * as fc from "fast-check";
import type { DType } from "../../../engine/index.js";
import {
  dimension,
  dtypes,
  type Input,
  numeric,
  onlyBool,
  pairs,
  ranked,
  type Suite,
  shapes,
  suite,
} from "./shared.js";

type Unary = (x: tf.Tensor) => tf.Tensor;

const unary = (fn: Unary, { low, high, dtype }: Partial<Input> = {}, differentiable = true): Suite =>
  suite(
    shapes.map((shape) => ({ inputs: [{ shape, low, high, dtype }], apply: ([x]) => fn(x!) })),
    differentiable,
  );

/** A unary kernel that takes integers as well. */
const unaryNumeric = (fn: Unary, range: Partial<Input> = {}, differentiable = true): Suite =>
  suite(
    fc
      .tuple(shapes, numeric)
      .map(([shape, dtype]) => ({ inputs: [{ shape, dtype, ...range }], apply: ([x]) => fn(x!) })),
    differentiable,
  );

type Binary = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;
const alike = shapes.map((shape) => [shape, shape]);

const binary = (
  fn: Binary,
  {
    types = numeric,
    a,
    b,
    differentiable = true,
    over = pairs,
  }: {
    types?: fc.Arbitrary<DType>;
    a?: Partial<Input>;
    b?: Partial<Input>;
    differentiable?: boolean;
    over?: fc.Arbitrary<number[][]>;
  } = {},
): Suite =>
  suite(
    fc.tuple(over, types).map(([[first, second], dtype]) => ({
      inputs: [
        { shape: first!, dtype, ...a },
        { shape: second!, dtype, ...b },
      ],
      apply: ([x, y]) => fn(x!, y!),
    })),
    differentiable,
  );

const onlyFloat = fc.constant<DType>("float32");
const positive = { low: 0.3, high: 3 };

/** Without scale and offset TensorFlow.js's gradient fails. */
const batchNorm = (affine: boolean): Suite =>
  suite(
    fc.tuple(dimension, dimension, dimension, dimension).map((shape) => {
      const channels = { shape: shape.slice(3) };
      return {
        inputs: [{ shape }, channels, { ...channels, ...positive }, ...(affine ? [channels, channels] : [])],
        apply: ([x, ...rest]) => {
          const [mean, variance, offset, scale] = rest as tf.Tensor1D[];
          return tf.batchNorm(x as tf.Tensor4D, mean!, variance!, offset, scale);
        },
      };
    }),
    affine,
  );

export const ELEMENTWISE: Record<string, Suite> = {
  Abs: unaryNumeric(tf.abs),
  Acos: unary(tf.acos, { low: -0.9, high: 0.9 }),
  Acosh: unary(tf.acosh, { low: 1.2, high: 5 }),
  Add: binary(tf.add),
  AddN: suite(
    fc.tuple(shapes, fc.integer({ min: 1, max: 4 }), numeric).map(([shape, count, dtype]) => ({
      inputs: Array.from({ length: count }, () => ({ shape, dtype })),
      apply: (list) => tf.addN(list),
    })),
  ),
  Asin: unary(tf.asin, { low: -0.9, high: 0.9 }),
  Asinh: unary(tf.asinh),
  Atan: unary(tf.atan),
  Atanh: unary(tf.atanh, { low: -0.9, high: 0.9 }),
  Cast: suite(
    fc.tuple(shapes, dtypes, dtypes).map(([shape, from, to]) => ({
      inputs: [{ shape, dtype: from, low: -5, high: 5 }],
      apply: ([x]) => tf.cast(x!, to),
    })),
  ),
  Ceil: unary(tf.ceil),
  ClipByValue: unaryNumeric((x) => tf.clipByValue(x, -1, 1)),
  Cos: unary(tf.cos, { low: -9, high: 9 }),
  Cosh: unary(tf.cosh),
  Elu: unary(tf.elu),
  Equal: binary(tf.equal, { types: dtypes, a: { low: 0, high: 2 }, b: { low: 0, high: 2 }, differentiable: false }),
  Erf: unary(tf.erf),
  Exp: unaryNumeric(tf.exp),
  Expm1: unary(tf.expm1),
  Floor: unary(tf.floor),
  FloorDiv: binary(tf.floorDiv, { a: { low: -9, high: 9 }, b: { low: 1, high: 4 }, differentiable: false }),
  FusedBatchNorm: batchNorm(true),
  "FusedBatchNorm, without scale and offset": batchNorm(false),
  Greater: binary(tf.greater, { types: dtypes, differentiable: false }),
  GreaterEqual: binary(tf.greaterEqual, { types: dtypes, differentiable: false }),
  Identity: suite(
    fc.tuple(shapes, dtypes).map(([shape, dtype]) => ({ inputs: [{ shape, dtype }], apply: ([x]) => tf.clone(x!) })),
  ),
  IsFinite: unary(tf.isFinite, {}, false),
  IsInf: unary(tf.isInf, {}, false),
  IsNan: unary(tf.isNaN, {}, false),
  LeakyRelu: unary((x) => tf.leakyRelu(x, 0.1)),
  Less: binary(tf.less, { types: dtypes, differentiable: false }),
  LessEqual: binary(tf.lessEqual, { types: dtypes, differentiable: false }),
  Log: unary(tf.log, positive),
  Log1p: unary(tf.log1p, { low: -0.8, high: 4 }),
  LogicalAnd: binary(tf.logicalAnd, { types: onlyBool, differentiable: false }),
  LogicalNot: unary(tf.logicalNot, { dtype: "bool" }, false),
  LogicalOr: binary(tf.logicalOr, { types: onlyBool, differentiable: false }),
  Maximum: binary(tf.maximum, { over: alike, types: dtypes }),
  "Maximum, broadcast": binary(tf.maximum, { differentiable: false, types: dtypes }),
  Minimum: binary(tf.minimum, { over: alike, types: dtypes }),
  "Minimum, broadcast": binary(tf.minimum, { differentiable: false, types: dtypes }),
  Mod: binary(tf.mod, { a: { low: -9, high: 9 }, b: { low: 1, high: 4 } }),
  Multiply: binary(tf.mul, { types: dtypes }),
  Neg: unaryNumeric(tf.neg),
  NotEqual: binary(tf.notEqual, { types: dtypes, differentiable: false }),
  Pow: binary(tf.pow, { a: positive, b: { low: 0, high: 3 } }),
  Prelu: binary(tf.prelu, { types: onlyFloat, over: alike }),
  "Prelu, broadcast": binary(tf.prelu, { types: onlyFloat, differentiable: false }),
  RealDiv: binary(tf.div, { types: onlyFloat, b: positive }),
  Reciprocal: unary(tf.reciprocal, positive),
  Relu: unaryNumeric(tf.relu),
  Relu6: unaryNumeric(tf.relu6, { low: -8, high: 8 }),
  Round: unaryNumeric(tf.round),
  Rsqrt: unary(tf.rsqrt, positive),
  Select: suite(
    fc.record({ shape: ranked, rows: fc.boolean(), dtype: dtypes }).map(({ shape, rows, dtype }) => ({
      inputs: [
        { shape: rows ? shape.slice(0, 1) : shape, dtype: "bool" },
        { shape, dtype },
        { shape, dtype },
      ],
      apply: ([condition, a, b]) => {
        const test = rows ? tf.reshape(condition!, [shape[0]!, ...shape.slice(1).map(() => 1)]) : condition!;
        return tf.where(test, a!, b!);
      },
    })),
  ),
  Selu: unary(tf.selu),
  Sigmoid: unary(tf.sigmoid),
  Sign: unaryNumeric(tf.sign),
  Sin: unary(tf.sin, { low: -9, high: 9 }),
  Sinh: unary(tf.sinh),
  Softplus: unary(tf.softplus),
  Sqrt: unary(tf.sqrt, positive),
  Square: unaryNumeric(tf.square),
  SquaredDifference: binary(tf.squaredDifference, { over: alike }),
  "SquaredDifference, broadcast": binary(tf.squaredDifference, { differentiable: false }),
  Step: unaryNumeric((x) => tf.step(x, 0.5)),
  Sub: binary(tf.sub),
  Tan: unary(tf.tan, { low: -1.3, high: 1.3 }),
  Tanh: unary(tf.tanh),
};
