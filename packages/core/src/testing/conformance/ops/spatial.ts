// Cases of what goes over feature maps by places: pooling, resizing, padding, rolling; and Fourier transforms.

import * as tf from "@tensorflow/tfjs";
import * as fc from "fast-check";
import {
  type AvgPoolWindows,
  adaptiveAvgPool2d,
  avgPool2d,
  fft2,
  type InterpolateOptions,
  ifft2,
  interpolate,
  irfft2,
  maxPool2d,
  type PadMode,
  pad,
  rfft2,
  roll,
} from "../../../ops/index.js";
import { poolGeometry } from "../../../ops/poolGeometry.js";
import { composed, dimension, type OpCase, shape } from "./shared.js";

const pair = (min: number, max: number): fc.Arbitrary<[number, number]> =>
  fc.tuple(fc.integer({ min, max }), fc.integer({ min, max }));
const few = fc.integer({ min: 1, max: 3 });

const windows = fc
  .record({ kernel: pair(1, 4), stride: pair(1, 4), half: pair(0, 2), rest: pair(0, 6), ceilMode: fc.boolean() })
  .map(({ kernel, stride, half, rest, ceilMode }) => {
    const padding = half.map((p, i) => Math.min(p, Math.floor(kernel[i]! / 2))) as [number, number];
    return { kernel, stride, padding, ceilMode, rest };
  });

/** The slow way: the mean over each window. */
function averaged(x: tf.Tensor, options: AvgPoolWindows): tf.Tensor {
  const { kernel, stride, padding, out } = poolGeometry("test", x.shape, options);
  const [height, width] = x.shape.slice(2) as [number, number];
  const range = (n: number, i: 0 | 1, size: number): { from: number; to: number; count: number } => {
    const from = n * stride[i] - padding[i];
    const end = Math.min(from + kernel[i], size + padding[i]);
    const [first, last] = [Math.max(from, 0), Math.min(end, size)];
    return { from: first, to: last, count: options.countIncludePad ? end - from : last - first };
  };
  const rows = Array.from({ length: out[0] }, (_, r) => {
    const down = range(r, 0, height);
    const places = Array.from({ length: out[1] }, (_, c) => {
      const across = range(c, 1, width);
      const size = [x.shape[0]!, x.shape[1]!, down.to - down.from, across.to - across.from];
      const part = tf.slice(x, [0, 0, down.from, across.from], size);
      return tf.div(tf.sum(part, [2, 3]), down.count * across.count);
    });
    return tf.stack(places, 2);
  });
  return tf.stack(rows, 2);
}

function rolled(x: tf.Tensor, shift: number, axis: number): tf.Tensor {
  const length = x.shape[axis]!;
  const places = Array.from({ length }, (_, i) => (((i - shift) % length) + length) % length);
  return tf.gather(x, tf.tensor1d(places, "int32"), axis);
}

const MODES: InterpolateOptions[] = [
  { mode: "nearest" },
  { mode: "nearest-exact" },
  ...(["bilinear", "bicubic"] as const).flatMap((mode) => [
    { mode },
    { mode, alignCorners: true },
    { mode, antialias: true },
  ]),
];

export const SPATIAL: Record<string, fc.Arbitrary<OpCase>> = {
  maxPool2d: fc.record({ batch: few, channels: few, windows, dilation: pair(1, 3) }).map((c) => {
    const { rest, ...options } = { ...c.windows, dilation: c.dilation };
    const { kernel, padding } = options;
    const size = rest.map((r, i) => Math.max(1, c.dilation[i]! * (kernel[i]! - 1) + 1 - 2 * padding[i]!) + r);
    const shapes = [[c.batch, c.channels, ...size]];
    const geometry = poolGeometry("test", shapes[0]!, options);
    return {
      shapes,
      apply: ([x]) => maxPool2d(x!, options),
      compose: ([x]) => composed("PeftMaxPool2d", { x: x! }, geometry),
    };
  }),
  "maxPool2d among equals": fc.record({ batch: few, size: pair(4, 8), ceilMode: fc.boolean() }).map((c) => ({
    shapes: [[c.batch, 2, ...c.size]],
    // A step has many equal elements: the first of a window takes the gradient on every road.
    apply: ([x]) =>
      maxPool2d(tf.mul(x!, tf.reshape(tf.cast(tf.range(0, c.size[1], 1), "bool"), [1, 1, 1, c.size[1]])), {
        kernel: 3,
        stride: 2,
        padding: 1,
        ceilMode: c.ceilMode,
      }),
  })),
  avgPool2d: fc.record({ batch: few, channels: few, windows, include: fc.boolean() }).map((c) => {
    const { rest, ...geometry } = c.windows;
    const options = { ...geometry, countIncludePad: c.include };
    const size = rest.map((r, i) => Math.max(1, options.kernel[i]! - 2 * options.padding[i]!) + r);
    return {
      shapes: [[c.batch, c.channels, ...size]],
      apply: ([x]) => avgPool2d(x!, options),
      compose: ([x]) => averaged(x!, options),
    };
  }),
  adaptiveAvgPool2d: fc.record({ batch: few, channels: few, size: pair(1, 9), out: pair(1, 7) }).map((c) => ({
    shapes: [[c.batch, c.channels, ...c.size]],
    apply: ([x]) => adaptiveAvgPool2d(x!, c.out),
  })),
  interpolate: fc
    .record({ batch: few, channels: few, size: pair(1, 7), out: pair(1, 12), mode: fc.constantFrom(...MODES) })
    .map((c) => ({
      shapes: [[c.batch, c.channels, ...c.size]],
      apply: ([x]) => interpolate(x!, { ...c.mode, size: c.out }),
    })),
  "interpolate to blocks": fc.record({ batch: few, channels: few, size: pair(1, 6), factors: pair(1, 4) }).map((c) => ({
    shapes: [[c.batch, c.channels, ...c.size]],
    apply: ([x]) => interpolate(x!, { scaleFactor: c.factors }),
    compose: ([x]) => composed("PeftRepeat2d", { x: x! }, { factors: c.factors }),
  })),
  pad: fc
    .record({
      lead: fc.array(few, { maxLength: 2 }),
      size: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 2 }),
      pads: fc.tuple(pair(0, 6), pair(0, 6)),
      mode: fc.constantFrom<PadMode>("constant", "reflect", "replicate", "circular"),
    })
    .map(({ lead, size, pads, mode }) => {
      const most = (n: number, length: number): number =>
        mode === "reflect" ? Math.min(n, length - 1) : mode === "circular" ? Math.min(n, length) : n;
      const fitting = size.map((length, i) => pads[i]!.map((n) => most(n, length)) as [number, number]);
      return {
        shapes: [[...lead, ...size]],
        apply: ([x]) => pad(x!, fitting, { mode, value: 0.5 }),
        compose: ([x]) =>
          fitting.reduce((y, [before, after], i) => {
            const axis = lead.length + i;
            const length = size[i]!;
            const source = (at: number): number => {
              if (mode === "circular") return (at + length) % length;
              if (mode === "replicate") return Math.min(Math.max(at, 0), length - 1);
              return length === 1 ? 0 : length - 1 - Math.abs(length - 1 - Math.abs(at));
            };
            if (mode === "constant")
              return tf.pad(
                y,
                y.shape.map((_, n) => (n === axis ? [before, after] : [0, 0])),
                0.5,
              );
            const places = Array.from({ length: before + length + after }, (_, n) => source(n - before));
            return tf.gather(y, tf.tensor1d(places, "int32"), axis);
          }, x!),
      };
    }),
  fft2: fc.record({ lead: fc.array(few, { maxLength: 2 }), size: pair(1, 9), back: fc.boolean() }).map((c) => ({
    shapes: [
      [...c.lead, ...c.size],
      [...c.lead, ...c.size],
    ],
    apply: ([re, im]) => {
      const y = (c.back ? ifft2 : fft2)({ re: re!, im: im! });
      return tf.stack([y.re, y.im]);
    },
  })),
  rfft2: fc.record({ lead: fc.array(few, { maxLength: 2 }), size: pair(1, 9) }).map((c) => ({
    shapes: [[...c.lead, ...c.size]],
    apply: ([x]) => {
      const y = rfft2(x!);
      return tf.stack([y.re, y.im]);
    },
    // The whole transform of a real tensor, and back from its half.
    compose: ([x]) => {
      const y = fft2({ re: x!, im: tf.zerosLike(x!) });
      const half = [...x!.shape.slice(0, -1), Math.floor(x!.shape.at(-1)! / 2) + 1];
      const begin = half.map(() => 0);
      return tf.stack([tf.slice(y.re, begin, half), tf.slice(y.im, begin, half)]);
    },
  })),
  "irfft2 after rfft2": fc.record({ lead: fc.array(few, { maxLength: 2 }), size: pair(1, 9) }).map((c) => ({
    shapes: [[...c.lead, ...c.size]],
    apply: ([x]) => irfft2(rfft2(x!), c.size[1]),
    compose: ([x]) => tf.mul(x!, 1),
  })),
  roll: fc.record({ shape, shift: fc.integer({ min: -12, max: 12 }), at: dimension }).map((c) => ({
    shapes: [c.shape],
    apply: ([x]) => roll(x!, [c.shift, 1], [c.at % c.shape.length, -1]),
    compose: ([x]) => rolled(rolled(x!, c.shift, c.at % c.shape.length), 1, c.shape.length - 1),
  })),
};
