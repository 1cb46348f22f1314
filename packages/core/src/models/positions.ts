// Resizing the table of position embeddings to another grid: the class token's row stays, the others are interpolated as
// an image of D channels.

import * as tf from "@tensorflow/tfjs";

/** PyTorch's cubic convolution coefficient. */
const CUBIC = -0.75;

/**
 * `bicubic` is transformers' way: torch.nn.functional.interpolate with align_corners=False. `bilinear` is that of the code
 * which first fine-tuned these checkpoints, and of MoSA's: scipy.ndimage.zoom with order=1, whose corners meet, so that the
 * first and the last row and column stay as they are.
 *
 * @param table [1, 1 + rows * columns, D]
 * @returns [1, 1 + rows' * columns', D]
 */
export function resizePositions(
  table: tf.Tensor,
  [rows, columns]: readonly [number, number],
  [newRows, newColumns]: readonly [number, number],
  method: "bicubic" | "bilinear",
): tf.Tensor {
  const width = table.shape[2]!;
  const cls = tf.slice(table, [0, 0, 0], [1, 1, width]);
  const grid = tf.reshape(tf.slice(table, [0, 1, 0], [1, rows * columns, width]), [rows, columns * width]);
  const down = tf.reshape(tf.matMul(weights(rows, newRows, method), grid as tf.Tensor2D), [newRows, columns, width]);
  const across = weights(columns, newColumns, method);
  const sideways = tf.reshape(tf.transpose(down, [1, 0, 2]), [columns, newRows * width]) as tf.Tensor2D;
  const resized = tf.transpose(tf.reshape(tf.matMul(across, sideways), [newColumns, newRows, width]), [1, 0, 2]);
  return tf.concat([cls, tf.reshape(resized, [1, newRows * newColumns, width])], 1);
}

/** The interpolation along one axis as a matrix [to, from]. */
function weights(from: number, to: number, method: "bicubic" | "bilinear"): tf.Tensor2D {
  const matrix = new Float32Array(to * from);
  for (let i = 0; i < to; i++) {
    // The first and the last places of the two grids meet in their centres; of bicubic in their outer edges.
    const position = method === "bilinear" ? (i * (from - 1)) / Math.max(1, to - 1) : ((i + 0.5) * from) / to - 0.5;
    const left = Math.floor(position);
    const t = position - left;
    const taps = method === "bilinear" ? [1 - t, t] : cubic(t);
    const first = method === "bilinear" ? left : left - 1;
    for (const [k, tap] of taps.entries()) {
      const column = Math.min(from - 1, Math.max(0, first + k));
      matrix[i * from + column]! += tap;
    }
  }
  return tf.tensor2d(matrix, [to, from]);
}

function cubic(t: number): number[] {
  const near = (x: number): number => ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1;
  const far = (x: number): number => ((CUBIC * x - 5 * CUBIC) * x + 8 * CUBIC) * x - 4 * CUBIC;
  return [far(t + 1), near(t), near(1 - t), far(2 - t)];
}
