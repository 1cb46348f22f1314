// Cases of our own differentiable ops, each over many shapes, with the composition of TensorFlow.js operations whose gradient
// TensorFlow.js works out by itself.

import * as tf from "@tensorflow/tfjs";
import * as fc from "fast-check";
import { findOp } from "../../engine/op.js";
import {
  attention,
  conv2d,
  dropout,
  gelu,
  geluTanh,
  klDivergence,
  layerNorm,
  linear,
  relu,
  silu,
  softmaxCrossEntropy,
} from "../../ops/index.js";

export interface OpCase {
  /** Shapes of the differentiable inputs. */
  readonly shapes: readonly (readonly number[])[];
  /** The op over tensors of those shapes. */
  apply(inputs: tf.Tensor[]): tf.Tensor;
  /** The composition that TensorFlow.js can differentiate by itself; absent where `apply` is one already. */
  compose?(inputs: tf.Tensor[]): tf.Tensor;
  /** Scale of the inputs. */
  readonly scale?: number;
}

const dimension = fc.integer({ min: 1, max: 9 });
const shape = fc.array(dimension, { minLength: 1, maxLength: 4 });

/** The composition registered with the op. */
const composed = (name: string, inputs: Record<string, tf.Tensor>, attrs = {}): tf.Tensor =>
  findOp(name)!.eager(inputs, attrs) as tf.Tensor;

const unary = (name: string, fn: (x: tf.Tensor) => tf.Tensor): fc.Arbitrary<OpCase> =>
  shape.map((s) => ({ shapes: [s], scale: 3, apply: ([x]) => fn(x!), compose: ([x]) => composed(name, { x: x! }) }));

const labelsFor = (rows: number, classes: number): tf.Tensor =>
  tf.tensor1d(
    Int32Array.from({ length: rows }, (_, i) => (i * 7) % classes),
    "int32",
  );

export const OPS: Record<string, fc.Arbitrary<OpCase>> = {
  linear: fc
    .record({ lead: shape, width: dimension, out: dimension, bias: fc.boolean() })
    .map(({ lead, width, out, bias }) => ({
      shapes: bias
        ? [[...lead, width], [out, width], [out]]
        : [
            [...lead, width],
            [out, width],
          ],
      apply: ([x, w, b]) => linear(x!, w!, b),
      compose: ([x, w, b]) =>
        composed("PeftLinear", b ? { x: x!, weight: w!, c: b } : { x: x!, weight: w! }, { transposed: true }),
    })),
  layerNorm: fc.record({ lead: shape, width: fc.integer({ min: 2, max: 12 }) }).map(({ lead, width }) => ({
    shapes: [[...lead, width], [width], [width]],
    apply: ([x, w, b]) => layerNorm(x!, w!, b!, 1e-3),
    compose: ([x, w, b]) => composed("PeftLayerNorm", { x: x!, weight: w!, bias: b! }, { eps: 1e-3 }),
  })),
  gelu: unary("PeftGelu", gelu),
  geluTanh: unary("PeftGeluTanh", geluTanh),
  silu: unary("PeftSilu", silu),
  relu: unary("PeftRelu", relu),
  attention: fc
    .record({
      batch: dimension,
      queries: dimension,
      keys: dimension,
      heads: fc.integer({ min: 1, max: 3 }),
      width: dimension,
    })
    .map(({ batch, queries, keys, heads, width }) => ({
      shapes: [
        [batch, queries, heads * width],
        [batch, keys, heads * width],
        [batch, keys, heads * width],
      ],
      apply: ([q, k, v]) => attention(q!, k!, v!, { heads }),
      compose: ([q, k, v]) => composed("PeftAttention", { q: q!, k: k!, v: v! }, { heads, scale: width ** -0.5 }),
    })),
  "attention with a mask": fc
    .record({
      batch: dimension,
      tokens: dimension,
      heads: fc.integer({ min: 1, max: 3 }),
      width: dimension,
      shared: fc.boolean(),
    })
    .map(({ batch, tokens, heads, width, shared }) => {
      const maskShape = [shared ? 1 : batch, 1, 1, tokens];
      const mask = (): tf.Tensor =>
        tf.tensor(
          Float32Array.from({ length: (shared ? 1 : batch) * tokens }, (_, i) =>
            i % tokens > 0 && i % 3 === 0 ? -1e9 : 0,
          ),
          maskShape,
        );
      return {
        shapes: [
          [batch, tokens, heads * width],
          [batch, tokens, heads * width],
          [batch, tokens, heads * width],
        ],
        apply: ([q, k, v]) => attention(q!, k!, v!, { heads, mask: mask(), scale: 0.5 }),
        compose: ([q, k, v]) =>
          composed("PeftAttentionMasked", { q: q!, k: k!, v: v!, mask: mask() }, { heads, scale: 0.5 }),
      };
    }),
  "conv2d over patches": fc
    .record({
      batch: dimension,
      channels: dimension,
      out: dimension,
      size: fc.integer({ min: 1, max: 4 }),
      rows: dimension,
      columns: dimension,
      rest: fc.integer({ min: 0, max: 1 }),
    })
    .map(({ batch, channels, out, size, rows, columns, rest }) => {
      const extra = size > 1 ? rest : 0;
      return {
        shapes: [[batch, channels, rows * size + extra, columns * size], [out, channels, size, size], [out]],
        apply: ([x, w, b]) => conv2d(x!, w!, b, { stride: size }),
        compose: ([x, w, b]) => {
          const y = tf.conv2d(
            tf.transpose(x!, [0, 2, 3, 1]) as tf.Tensor4D,
            tf.transpose(w!, [2, 3, 1, 0]) as tf.Tensor4D,
            size,
            "valid",
          );
          return tf.transpose(tf.add(y, b!), [0, 3, 1, 2]);
        },
      };
    }),
  conv2d: fc
    .record({
      batch: fc.integer({ min: 1, max: 3 }),
      groups: fc.integer({ min: 1, max: 3 }),
      inner: fc.integer({ min: 1, max: 4 }),
      outer: fc.integer({ min: 1, max: 4 }),
      kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
      stride: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
      // More padding than a window reaches makes outputs that see only zeros.
      padding: fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 3 })),
      dilation: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 })),
      rest: fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 5 })),
      stepped: fc.boolean(),
      bias: fc.boolean(),
    })
    .map(({ batch, groups, inner, outer, kernel, padding, dilation, rest, stepped, bias, ...drawn }) => {
      const stride = stepped ? drawn.stride : ([1, 1] as [number, number]);
      const size = rest.map((r, i) => Math.max(1, dilation[i]! * (kernel[i]! - 1) + 1 - 2 * padding[i]!) + r);
      const options = { stride, padding, dilation, groups };
      const shapes = [
        [batch, groups * inner, ...size],
        [groups * outer, inner, ...kernel],
      ];
      return {
        shapes: bias ? [...shapes, [groups * outer]] : shapes,
        apply: ([x, w, b]) => conv2d(x!, w!, b, options),
        compose: ([x, w, b]) =>
          composed("PeftConv2d", b ? { x: x!, weight: w!, bias: b } : { x: x!, weight: w! }, options),
      };
    }),
  "conv2d of 3x3 windows": fc
    .record({
      batch: dimension,
      channels: dimension,
      out: dimension,
      stride: fc.integer({ min: 1, max: 2 }),
      padding: fc.integer({ min: 0, max: 2 }),
      rows: fc.integer({ min: 3, max: 9 }),
      columns: fc.integer({ min: 3, max: 9 }),
    })
    .map(({ batch, channels, out, stride, padding, rows, columns }) => ({
      shapes: [[batch, channels, rows, columns], [out, channels, 3, 3], [out]],
      apply: ([x, w, b]) => conv2d(x!, w!, b, { stride, padding }),
      compose: ([x, w, b]) => {
        const around: [number, number] = [padding, padding];
        const padded = tf.pad(tf.transpose(x!, [0, 2, 3, 1]), [[0, 0], around, around, [0, 0]]);
        const y = tf.conv2d(padded as tf.Tensor4D, tf.transpose(w!, [2, 3, 1, 0]) as tf.Tensor4D, stride, "valid");
        return tf.transpose(tf.add(y, b!), [0, 3, 1, 2]);
      },
    })),
  softmaxCrossEntropy: fc
    .record({ rows: dimension, classes: fc.integer({ min: 2, max: 9 }) })
    .map(({ rows, classes }) => ({
      shapes: [[rows, classes]],
      scale: 20,
      apply: ([logits]) => softmaxCrossEntropy(logits!, labelsFor(rows, classes)),
      compose: ([logits]) => composed("PeftSoftmaxCrossEntropy", { logits: logits!, labels: labelsFor(rows, classes) }),
    })),
  klDivergence: fc.record({ rows: dimension, classes: fc.integer({ min: 2, max: 9 }) }).map(({ rows, classes }) => ({
    shapes: [[rows, classes]],
    scale: 5,
    apply: ([logits]) => klDivergence(logits!, tf.mul(logitsLike(rows, classes), 5)),
    compose: ([logits]) =>
      composed("PeftKlDivergence", { logits: logits!, target: tf.mul(logitsLike(rows, classes), 5) }),
  })),
  dropout: shape.map((s) => ({ shapes: [s], apply: ([x]) => dropout(x!, 0.4, "site") })),
};

const logitsLike = (rows: number, classes: number): tf.Tensor =>
  tf.tensor2d(
    Float32Array.from({ length: rows * classes }, (_, i) => Math.sin(i * 1.7)),
    [rows, classes],
  );
