// Cases of the transposed convolution.

import fc from "fast-check";
import { convTranspose2d } from "../../../src/index.js";
import { type Case, composed } from "./shared.js";

const pair = (min: number, max: number): fc.Arbitrary<[number, number]> =>
  fc.tuple(fc.integer({ min, max }), fc.integer({ min, max }));

export const CONVOLUTIONS: Record<string, fc.Arbitrary<Case>> = {
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
