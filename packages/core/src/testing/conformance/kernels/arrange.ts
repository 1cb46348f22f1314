// Cases of the kernels that move elements.

import * as tf from "@tensorflow/tfjs";
import * as fc from "fast-check";
import { dimension, dtypes, ranked, type Suite, shapes, suite, withAxis } from "./shared.js";

export const ARRANGEMENTS: Record<string, Suite> = {
  Concat: suite(
    fc
      .record({ axis: withAxis, lengths: fc.array(dimension, { minLength: 1, maxLength: 4 }), dtype: dtypes })
      .map((c) => ({
        inputs: c.lengths.map((length) => ({ shape: c.axis.shape.with(c.axis.axis, length), dtype: c.dtype })),
        apply: (list) => tf.concat(list, c.axis.axis),
      })),
  ),
  ExpandDims: suite(
    fc
      .tuple(withAxis, dtypes)
      .map(([{ shape, axis }, dtype]) => ({ inputs: [{ shape, dtype }], apply: ([x]) => tf.expandDims(x!, axis) })),
  ),
  MirrorPad: suite(
    fc
      .record({
        shape: fc.array(fc.integer({ min: 2, max: 5 }), { minLength: 1, maxLength: 4 }),
        pads: fc.array(fc.tuple(fc.nat(4), fc.nat(4)), { minLength: 4, maxLength: 4 }),
        symmetric: fc.boolean(),
      })
      .map(({ shape, pads, symmetric }) => ({
        inputs: [{ shape }],
        apply: ([x]) =>
          tf.mirrorPad(
            x!,
            shape.map((d, i) => pads[i]!.map((n) => Math.min(n, symmetric ? d : d - 1)) as [number, number]),
            symmetric ? "symmetric" : "reflect",
          ),
      })),
  ),
  Pack: suite(
    fc
      .record({ shape: shapes, at: fc.nat(4), back: fc.boolean(), count: dimension, dtype: dtypes })
      .map(({ shape, at, back, count, dtype }) => {
        const axis = at % (shape.length + 1);
        return {
          inputs: Array.from({ length: count }, () => ({ shape, dtype })),
          apply: (list) => tf.stack(list, back ? axis - shape.length - 1 : axis),
        };
      }),
  ),
  PadV2: suite(
    fc
      .record({
        shape: ranked,
        pads: fc.array(fc.tuple(fc.nat(2), fc.nat(2)), { minLength: 4, maxLength: 4 }),
        dtype: dtypes,
        value: fc.nat(1),
      })
      .map(({ shape, pads, dtype, value }) => ({
        inputs: [{ shape, dtype }],
        apply: ([x]) => tf.pad(x!, pads.slice(0, shape.length), value),
      })),
  ),
  Reshape: suite(
    fc
      .tuple(shapes, dtypes)
      .map(([shape, dtype]) => ({ inputs: [{ shape, dtype }], apply: ([x]) => tf.reshape(x!, [1, -1, 1]) })),
  ),
  Reverse: suite(
    fc
      .tuple(withAxis, dtypes)
      .map(([{ shape, axis }, dtype]) => ({ inputs: [{ shape, dtype }], apply: ([x]) => tf.reverse(x!, axis) })),
  ),
  Slice: suite(
    fc
      .record({
        shape: ranked,
        from: fc.array(fc.nat(9), { minLength: 4, maxLength: 4 }),
        size: fc.array(fc.nat(9), { minLength: 4, maxLength: 4 }),
        dtype: dtypes,
      })
      .map(({ shape, from, size, dtype }) => {
        const begin = shape.map((d, i) => from[i]! % d);
        const length = shape.map((d, i) => (size[i]! > 8 ? -1 : 1 + (size[i]! % (d - begin[i]!))));
        return { inputs: [{ shape, dtype }], apply: ([x]) => tf.slice(x!, begin, length) };
      }),
  ),
  SplitV: suite(
    fc
      .record({
        axis: withAxis,
        sizes: fc.array(dimension, { minLength: 2, maxLength: 4 }),
        even: fc.boolean(),
        dtype: dtypes,
      })
      .map(({ axis: { shape, axis }, sizes, even, dtype }) => {
        const parts = even ? sizes.map(() => sizes[0]!) : sizes;
        const length = parts.reduce((total, size) => total + size, 0);
        return {
          inputs: [{ shape: shape.with(axis, length), dtype }],
          apply: ([x]) => tf.split(x!, even ? parts.length : parts, axis),
        };
      }),
  ),
  StridedSlice: suite(
    fc
      .record({
        shape: ranked,
        cuts: fc.array(
          fc.record({ from: fc.nat(9), to: fc.nat(9), step: fc.integer({ min: 1, max: 3 }), kind: fc.nat(4) }),
          {
            minLength: 4,
            maxLength: 4,
          },
        ),
        masks: fc.tuple(fc.nat(15), fc.nat(15)),
      })
      .map(({ shape, cuts, masks }) => {
        // Forwards with ends of either sign, backwards to the front, or one place of which the axis goes (beside other axes
        // that go forwards one by one: TensorFlow.js fails at the rest).
        const plain = cuts.some(({ kind }) => kind === 0);
        const along = shape.map((d, i) => {
          const { from, to, kind } = cuts[i]!;
          const step = plain ? 1 : cuts[i]!.step;
          const begin = from % d;
          if (kind === 0) return { begin, end: begin + 1, step: 1, one: true };
          if (kind === 1 && !plain) return { begin: begin - d, end: -d - 1, step: -step, one: false };
          const end = begin + 1 + (to % (d - begin));
          return { begin, end: kind === 2 && end < d ? end - d : end, step, one: false };
        });
        const shrink = along.reduce((mask, { one }, i) => mask | (one ? 1 << i : 0), 0);
        return {
          inputs: [{ shape }],
          apply: ([x]) =>
            tf.stridedSlice(
              x!,
              along.map(({ begin }) => begin),
              along.map(({ end }) => end),
              along.map(({ step }) => step),
              masks[0] & ~shrink,
              masks[1] & ~shrink,
              0,
              0,
              shrink,
            ),
        };
      }),
    false,
  ),
  Tile: suite(
    fc
      .record({
        shape: ranked,
        reps: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 4, maxLength: 4 }),
        dtype: dtypes,
      })
      .map(({ shape, reps, dtype }) => ({
        inputs: [{ shape, dtype }],
        apply: ([x]) => tf.tile(x!, reps.slice(0, shape.length)),
      })),
  ),
  Transpose: suite(
    fc
      .record({ shape: ranked, order: fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }), dtype: dtypes })
      .map(({ shape, order, dtype }) => ({
        inputs: [{ shape, dtype }],
        apply: ([x]) =>
          tf.transpose(
            x!,
            order.filter((axis) => axis < shape.length),
          ),
      })),
  ),
  // TensorFlow.js cannot differentiate the unpacking, or splitting, of one part.
  Unpack: suite(
    fc
      .tuple(
        withAxis.filter(({ shape, axis }) => shape.at(axis)! > 1),
        dtypes,
      )
      .map(([{ shape, axis }, dtype]) => ({ inputs: [{ shape, dtype }], apply: ([x]) => tf.unstack(x!, axis) })),
  ),
};
