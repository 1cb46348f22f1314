// Two-dimensional max pooling. Its gradient goes to the first of a window's largest elements, row by row, as in PyTorch.

import * as tf from "@tensorflow/tfjs";
import type { Attrs } from "../engine/graph.js";
import { defineOp } from "../engine/op.js";
import { offsets, type Pair, reach } from "./convGeometry.js";
import { pick, place } from "./convShifts.js";
import { type PoolGeometry, type PoolWindows, poolGeometry } from "./poolGeometry.js";

/** Rows and columns that the windows need beyond the bottom and right; ceilMode may need more than `padding`. */
function endPadding(size: Pair, { kernel, out, stride, padding, ...rest }: PoolGeometry): Pair {
  const span = reach(kernel, { stride, padding, ...rest });
  const along = (i: 0 | 1): number => Math.max(0, (out[i] - 1) * stride[i] + span[i] + 1 - size[i] - padding[i]);
  return [along(0), along(1)];
}

/** x as [batch * channels, ...] with a border of -infinity, and its windows' elements: one for each place in a window. */
function elements(x: tf.Tensor, geometry: PoolGeometry): { whole: Pair; begins: Pair[]; padded: tf.Tensor } {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const end = endPadding([height, width], geometry);
  const { padding, kernel } = geometry;
  const borders: [number, number][] = [
    [0, 0],
    [padding[0], end[0]],
    [padding[1], end[1]],
  ];
  const padded = tf.pad(tf.reshape(x, [batch * channels, height, width]), borders, Number.NEGATIVE_INFINITY);
  return { whole: [padded.shape[1]!, padded.shape[2]!], begins: offsets(kernel, geometry), padded };
}

const op = defineOp({
  name: "PeftMaxPool2d",
  infer: ({ x }, { out }) => ({ shape: [...x!.shape.slice(0, 2), ...(out as Pair)], dtype: "float32" }),
  emit: ({ inputs, attrs }, e) => {
    const geometry = attrs as unknown as PoolGeometry;
    const { kernel, stride, padding, dilation } = geometry;
    const end = endPadding(inputs.x!.shape.slice(2) as unknown as Pair, geometry);
    // MaxPool itself pads by less than a window.
    const inside = [...padding, ...end].every((n, i) => n < kernel[i % 2]!);
    const pads = [0, 0, ...padding, 0, 0, ...end];
    const x = inside
      ? e.of(inputs.x!)
      : e.op("Pad", [e.of(inputs.x!), e.ints(pads), e.float(Number.NEGATIVE_INFINITY)], { mode: "constant" });
    return e.op("MaxPool", [x], {
      kernel_shape: kernel.map(BigInt),
      strides: stride.map(BigInt),
      dilations: dilation.map(BigInt),
      pads: (inside ? [...padding, ...end] : [0, 0, 0, 0]).map(BigInt),
    });
  },
  rows: () => ["x"],
  eager: ({ x }, attrs) => {
    const geometry = attrs as unknown as PoolGeometry;
    const { begins, padded } = elements(x!, geometry);
    const y = begins
      .map((begin) => pick(padded, begin, geometry.out, geometry.stride))
      .reduce((a, b) => tf.maximum(a, b));
    return tf.reshape(y, [...x!.shape.slice(0, 2), ...geometry.out]);
  },
  gradient: {
    saves: ["x"],
    savesOutputs: [true],
    of: (dy, [x, y], attrs) => ({ x: () => inputGradient(dy as tf.Tensor, x!, y!, attrs) }),
  },
});

function inputGradient(dy: tf.Tensor, x: tf.Tensor, y: tf.Tensor, attrs: Attrs): tf.Tensor {
  const geometry = attrs as unknown as PoolGeometry;
  const { out, stride, padding } = geometry;
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const { whole, begins, padded } = elements(x, geometry);
  const flat = (t: tf.Tensor): tf.Tensor => tf.reshape(t, [batch * channels, ...out]);
  const largest = flat(y);
  // What is still to be given away; the first element that is the largest takes it all.
  let left = flat(dy);
  const parts = begins.map((begin) => {
    const hit = tf.equal(pick(padded, begin, out, stride), largest);
    const given = tf.where(hit, left, tf.zerosLike(left));
    left = tf.where(hit, tf.zerosLike(left), left);
    return place(given, begin, whole, stride);
  });
  const sum = tf.slice(tf.addN(parts), [0, ...padding], [batch * channels, height, width]);
  return tf.reshape(sum, x.shape);
}

export interface MaxPoolWindows extends PoolWindows {
  /** Distance of a window's elements. @defaultValue 1 */
  dilation?: number | Pair;
}

/**
 * Two-dimensional max pooling, as torch.nn.functional.max_pool2d.
 *
 * @param x [batch, channels, height, width]
 * @returns [batch, channels, height', width'] with height' = floor((height + 2 padding - dilation (kernel - 1) - 1) / stride)
 *   + 1, or the ceiling of the quotient in `ceilMode`
 * @throws PeftError SHAPE_MISMATCH if no window fits; ARGUMENT_INVALID for a kernel, stride or dilation below 1 or a padding
 *   above half a window
 */
export function maxPool2d(x: tf.Tensor, windows: MaxPoolWindows): tf.Tensor {
  return op({ x }, poolGeometry("maxPool2d", x.shape, windows) as unknown as Attrs)[0]!;
}
