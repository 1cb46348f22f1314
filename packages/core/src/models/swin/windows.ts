// The geometry of shifted windows (Liu et al. 2021, §3.2): a grid cut into windows and put together again, where a place lies
// relative to another in its window, and which places of a shifted window were neighbours before the shift.

import * as tf from "@tensorflow/tfjs";

/** What differs from one side of a shifted window to the other. Large, but not infinite: the original's number. */
const APART = -100;

/** [batch, rows, columns, C] to [batch * windows, side * side, C]: windows row by row, and places in them row by row. */
export function partition(x: tf.Tensor, side: number): tf.Tensor {
  const [batch, rows, columns, width] = x.shape as [number, number, number, number];
  const down = rows / side;
  const across = columns / side;
  // Rows of windows side by side, then each cut across: no step has more than five axes.
  const cut = tf.transpose(tf.reshape(x, [batch * down, side, across, side, width]), [0, 2, 1, 3, 4]);
  return tf.reshape(cut, [batch * down * across, side * side, width]);
}

/** What `partition` has taken apart. */
export function together(
  windows: tf.Tensor,
  side: number,
  [rows, columns]: readonly [rows: number, columns: number],
): tf.Tensor {
  const across = columns / side;
  const bands = windows.shape[0]! / across;
  const width = windows.shape[2]!;
  const joined = tf.transpose(tf.reshape(windows, [bands, across, side, side, width]), [0, 2, 1, 3, 4]);
  return tf.reshape(joined, [(bands * side) / rows, rows, columns, width]);
}

/**
 * For each pair of places in a window, row by row, the row of the table of biases: `[query * places + key]`, made of how far
 * the query is below and to the right of the key.
 */
export function relativeIndex(side: number): number[] {
  const places = Array.from({ length: side * side }, (_, i) => [Math.floor(i / side), i % side] as const);
  const span = 2 * side - 1;
  return places.flatMap(([row, column]) =>
    places.map(([r, c]) => (row - r + side - 1) * span + (column - c + side - 1)),
  );
}

/**
 * What is added to the scores of a grid's windows after a shift: 0 for two places that were neighbours before it.
 *
 * @returns [windows * places * places], row-major
 */
export function shiftMask(
  [rows, columns]: readonly [rows: number, columns: number],
  side: number,
  shift: number,
): Float32Array {
  const region = (at: number, length: number): number => (at < length - side ? 0 : at < length - shift ? 1 : 2);
  const places = side * side;
  const across = columns / side;
  const mask = new Float32Array((rows / side) * across * places * places);
  for (let window = 0; window < mask.length / places ** 2; window++) {
    const [top, left] = [Math.floor(window / across) * side, (window % across) * side];
    const regions = Array.from({ length: places }, (_, i) => {
      return 3 * region(top + Math.floor(i / side), rows) + region(left + (i % side), columns);
    });
    for (const [i, own] of regions.entries()) {
      for (const [j, other] of regions.entries()) {
        if (own !== other) mask[window * places ** 2 + i * places + j] = APART;
      }
    }
  }
  return mask;
}

/** The windows of a block on a grid: on a grid no larger than one, there is one, and nothing is shifted. */
export function windowsOn(
  [rows, columns]: readonly [rows: number, columns: number],
  side: number,
  shift: number,
): { readonly side: number; readonly shift: number } {
  const least = Math.min(rows, columns);
  return least <= side ? { side: least, shift: 0 } : { side, shift };
}
