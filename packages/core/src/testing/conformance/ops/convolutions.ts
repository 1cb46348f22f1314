// Cases of convolutions and transposed ones.

import * as tf from "@tensorflow/tfjs";
import * as fc from "fast-check";
import { conv2d, convTranspose2d } from "../../../ops/index.js";
import { composed, dimension, type OpCase } from "./shared.js";

const pair = (min: number, max: number): fc.Arbitrary<[number, number]> =>
  fc.tuple(fc.integer({ min, max }), fc.integer({ min, max }));

export const CONVOLUTIONS: Record<string, fc.Arbitrary<OpCase>> = {
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
  convTranspose2d: fc
    .record({
      batch: fc.integer({ min: 1, max: 3 }),
      groups: fc.integer({ min: 1, max: 3 }),
      inner: fc.integer({ min: 1, max: 3 }),
      outer: fc.integer({ min: 1, max: 3 }),
      kernel: pair(1, 4),
      strides: pair(1, 3),
      paddings: pair(0, 4),
      dilation: pair(1, 3),
      extra: pair(0, 2),
      size: pair(1, 5),
      stepped: fc.boolean(),
      bias: fc.boolean(),
    })
    .map(({ batch, groups, inner, outer, kernel, strides, paddings, dilation, extra, size, stepped, bias }) => {
      const stride: [number, number] = stepped ? strides : [1, 1];
      const along = (values: number[], fn: (value: number, i: number) => number): [number, number] =>
        values.map(fn) as [number, number];
      const outputPadding = along(extra, (n, i) => n % stride[i]!);
      const whole = along(size, (n, i) => (n - 1) * stride[i]! + dilation[i]! * (kernel[i]! - 1) + 1);
      const padding = along(paddings, (n, i) => Math.min(n, Math.floor((whole[i]! - 1) / 2)));
      const geometry = { stride, padding, dilation, groups };
      const [height, width] = along(whole, (n, i) => n - 2 * padding[i]! + outputPadding[i]!);
      const shapes = [
        [batch, groups * inner, ...size],
        [groups * inner, outer, ...kernel],
      ];
      return {
        shapes: bias ? [...shapes, [groups * outer]] : shapes,
        apply: ([x, w, b]) => convTranspose2d(x!, w!, b, { ...geometry, outputPadding }),
        compose: ([x, w, b]) => {
          const y = composed("PeftConvTranspose2d", { dy: x!, weight: w! }, { ...geometry, height, width });
          return b ? y.add(b.reshape([-1, 1, 1])) : y;
        },
      };
    }),
};
