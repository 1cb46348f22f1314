// Two-dimensional transposed convolution: the gradient of a convolution by its input, as an operation of its own. Its
// gradients are the convolution itself and the gradient of that by its filter.

import * as tf from "@tensorflow/tfjs";
import type { Attrs } from "../engine/graph.js";
import { defineOp } from "../engine/op.js";
import { PeftError } from "../errors.js";
import { convolve } from "./conv2d.js";
import { type ConvWindows, type Geometry, geometryOf, type Pair, pairOf, reach } from "./convGeometry.js";
import { emitInputGradient, filterGradient } from "./convGradients.js";
import { shiftedInputGradient } from "./convShifts.js";

const sizeFrom = (attrs: Attrs): Pair => [attrs.height as number, attrs.width as number];

const op = defineOp({
  name: "PeftConvTranspose2d",
  infer: ({ dy, weight }, attrs) => ({
    shape: [dy!.shape[0]!, weight!.shape[1]! * (attrs.groups as number), ...sizeFrom(attrs)],
    dtype: "float32",
  }),
  emit: emitInputGradient,
  rows: () => ["dy"],
  eager: ({ dy, weight }, attrs) => shiftedInputGradient(dy!, weight!, sizeFrom(attrs), attrs as unknown as Geometry),
  gradient: {
    saves: ["dy", "weight"],
    of: (upstream, [x, weight], { height, width, ...geometry }) => {
      const dOut = upstream as tf.Tensor;
      return {
        dy: () => convolve({ x: dOut, weight: weight! }, geometry)[0]!,
        weight: () => filterGradient({ x: dOut, dy: x! }, { ...geometry, kernel: weight!.shape.slice(2) })[0]!,
      };
    },
  },
});

export interface ConvTransposeWindows extends ConvWindows {
  /** Rows and columns added at the bottom and right of the output, below the stride. @defaultValue 0 */
  outputPadding?: number | Pair;
}

/**
 * Two-dimensional transposed convolution, as torch.nn.functional.conv_transpose2d.
 *
 * @param x [batch, in, height, width]
 * @param weight [in, out / groups, kernel height, kernel width]
 * @param bias [out]
 * @param options as in `conv2d`; `padding` is what is cut off the output on each side
 * @returns [batch, out, height', width'] with
 *   height' = (height - 1) stride - 2 padding + dilation (kernel - 1) + outputPadding + 1
 * @throws PeftError SHAPE_MISMATCH if the shapes do not fit or nothing is left of the output; ARGUMENT_INVALID for a stride,
 *   dilation or number of groups below 1, a padding below 0, or an output padding that is not below the stride
 */
export function convTranspose2d(
  x: tf.Tensor,
  weight: tf.Tensor,
  bias?: tf.Tensor,
  { outputPadding = 0, ...windows }: ConvTransposeWindows = {},
): tf.Tensor {
  const geometry = geometryOf(windows, "convTranspose2d");
  const extra = pairOf("convTranspose2d: outputPadding", outputPadding, 0);
  const { stride, padding, groups } = geometry;
  if (extra.some((n, i) => n >= stride[i]!)) {
    throw new PeftError("ARGUMENT_INVALID", `convTranspose2d: outputPadding ${extra} must be below stride ${stride}`);
  }
  if (x.rank !== 4 || weight.rank !== 4 || x.shape[1] !== weight.shape[0] || x.shape[1]! % groups !== 0) {
    const shapes = `x [${x.shape}] does not fit a weight of [${weight.shape}]`;
    throw new PeftError("SHAPE_MISMATCH", `convTranspose2d: ${shapes}${groups > 1 ? ` in ${groups} groups` : ""}`);
  }
  const out = weight.shape[1]! * groups;
  if (bias && (bias.rank !== 1 || bias.shape[0] !== out)) {
    const message = `convTranspose2d: a bias of [${bias.shape}] does not fit ${out} output channels`;
    throw new PeftError("SHAPE_MISMATCH", message);
  }
  const span = reach([weight.shape[2]!, weight.shape[3]!], geometry);
  const along = (i: 0 | 1): number => (x.shape[2 + i]! - 1) * stride[i] - 2 * padding[i] + span[i] + extra[i] + 1;
  const [height, width] = [along(0), along(1)];
  if (height < 1 || width < 1) {
    throw new PeftError("SHAPE_MISMATCH", `convTranspose2d: a padding of ${padding} leaves nothing of the output`);
  }
  const y = op({ dy: x, weight }, { ...geometry, height, width })[0]!;
  return bias ? tf.add(y, tf.reshape(bias, [1, out, 1, 1])) : y;
}
