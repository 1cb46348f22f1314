// Resizing of feature maps, as torch.nn.functional.interpolate: rows and columns one after the other, by picking places or by
// a product with a matrix of weights.

import * as tf from "@tensorflow/tfjs";
import { defineOp } from "../engine/op.js";
import { PeftError } from "../errors.js";
import { axisMatrix, axisProduct } from "./axisProduct.js";
import { type Pair, pairOf } from "./convGeometry.js";
import { type AxisResize, antialiasedWeights, cubicWeights, linearWeights, nearestPlaces } from "./resizeWeights.js";
import { take } from "./take.js";

/** Every place becomes a block of `factors` places. The gradient sums the blocks. */
const repeat = defineOp({
  name: "PeftRepeat2d",
  infer: ({ x }, { factors }) => {
    const [batch, channels, height, width] = x!.shape as [number, number, number, number];
    const [down, across] = factors as Pair;
    return { shape: [batch, channels, height * down, width * across], dtype: "float32" };
  },
  emit: ({ inputs, attrs }, e) => {
    const scales = Float32Array.of(1, 1, ...(attrs.factors as Pair));
    const noRegion = e.constant("float32", [0], new Uint8Array(0));
    const operands = [e.of(inputs.x!), noRegion, e.constant("float32", [4], new Uint8Array(scales.buffer))];
    const attributes = { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" };
    return e.op("Resize", operands, attributes);
  },
  rows: () => ["x"],
  eager: ({ x }, { factors }) => {
    const [batch, channels, height, width] = x!.shape as [number, number, number, number];
    const [down, across] = factors as Pair;
    const apart = tf.reshape(x!, [batch * channels, height, 1, width, 1]);
    return tf.reshape(tf.mul(apart, tf.ones([1, 1, down, 1, across])), [
      batch,
      channels,
      height * down,
      width * across,
    ]);
  },
  gradient: {
    of: (dy, _, { factors }) => ({
      x: () =>
        (factors as Pair).reduce((sum, factor, i) => {
          const out = sum.shape[2 + i]!;
          const blocks = axisMatrix(out, out / factor, (row, column) => (Math.floor(row / factor) === column ? 1 : 0));
          return factor === 1 ? sum : axisProduct(sum, blocks, 2 + i, true);
        }, dy as tf.Tensor),
    }),
  },
});

export interface InterpolateOptions {
  /** Of the output; one number for both directions. Either this or `scaleFactor`. */
  size?: number | readonly [height: number, width: number];
  /** The output has floor(size * factor) places, and positions are taken by the factor, not by the sizes. */
  scaleFactor?: number | readonly [height: number, width: number];
  /** @defaultValue "nearest", the place where the output place begins; "nearest-exact" takes its middle */
  mode?: "nearest" | "nearest-exact" | "bilinear" | "bicubic";
  /** Whether the middles of the corner places meet, in place of their outer edges. @defaultValue false */
  alignCorners?: boolean;
  /** Whether shrinking averages over what an output place covers, as Pillow does. @defaultValue false */
  antialias?: boolean;
}

function resizes(x: tf.Tensor, { size, scaleFactor, alignCorners }: InterpolateOptions): [AxisResize, AxisResize] {
  const both = (value: number | readonly [number, number]): Pair =>
    typeof value === "number" ? [value, value] : value;
  const factors = scaleFactor === undefined ? undefined : both(scaleFactor);
  if ((size === undefined) === (factors === undefined) || factors?.some((f) => !(f > 0 && Number.isFinite(f)))) {
    throw new PeftError("ARGUMENT_INVALID", "interpolate wants either a size or a positive scaleFactor");
  }
  const sizes = size === undefined ? undefined : pairOf("interpolate: size", size, 1);
  const along = (i: 0 | 1): AxisResize => {
    const length = x.shape[2 + i]!;
    const out = sizes ? sizes[i] : Math.floor(length * factors![i]);
    if (out < 1)
      throw new PeftError("ARGUMENT_INVALID", `interpolate: scaleFactor ${factors} leaves nothing of [${x.shape}]`);
    if (alignCorners) return { length, out, step: out > 1 ? (length - 1) / (out - 1) : 0 };
    return { length, out, step: factors ? 1 / factors[i] : length / out };
  };
  return [along(0), along(1)];
}

/** The factors, where every place just becomes a block. */
function blockFactors(axes: readonly AxisResize[], places: readonly number[][]): Pair | undefined {
  const factors = axes.map(({ length, out }) => out / length);
  const even = axes.every(
    (_, n) => Number.isInteger(factors[n]) && places[n]!.every((place, i) => place === Math.floor(i / factors[n]!)),
  );
  return even ? (factors as unknown as Pair) : undefined;
}

/**
 * Resizes feature maps.
 *
 * @param x [batch, channels, height, width]
 * @returns [batch, channels, height', width']
 * @throws PeftError SHAPE_MISMATCH if x is not of four axes; ARGUMENT_INVALID unless there is either a size or a scale factor,
 *   for an output without places, for `antialias` or `alignCorners` with a nearest mode, or for both of them
 */
export function interpolate(x: tf.Tensor, options: InterpolateOptions): tf.Tensor {
  const { mode = "nearest", alignCorners = false, antialias = false } = options;
  if (x.rank !== 4) {
    throw new PeftError("SHAPE_MISMATCH", `interpolate wants [batch, channels, height, width], got [${x.shape}]`);
  }
  const nearest = mode === "nearest" || mode === "nearest-exact";
  if ((nearest && (alignCorners || antialias)) || (alignCorners && antialias)) {
    throw new PeftError("ARGUMENT_INVALID", `interpolate: alignCorners or antialias does not go with ${mode}`, {
      hint: "they are for bilinear and bicubic, one at a time",
    });
  }
  const axes = resizes(x, options);
  if (nearest) {
    const places = axes.map((axis) => nearestPlaces(axis, mode === "nearest-exact"));
    const factors = blockFactors(axes, places);
    if (factors) return factors[0] * factors[1] === 1 ? x : repeat({ x }, { factors })[0]!;
    return take(take(x, places[1]!, 3), places[0]!, 2);
  }
  const weights = axes.map((axis) => {
    if (antialias) return antialiasedWeights(axis, mode);
    return mode === "bilinear" ? linearWeights(axis, alignCorners) : cubicWeights(axis, alignCorners);
  });
  return axisProduct(axisProduct(x, weights[1]!, 3), weights[0]!, 2);
}
