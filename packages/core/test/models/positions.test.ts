// Resized tables of positions, held against SciPy.

import { beforeAll, describe, expect, it } from "vitest";
import { compile, useEngine } from "../../src/index.js";
import { resizePositions } from "../../src/models/positions.js";
import { goldenArray } from "../../src/testing/index.js";

const SIDE = 14;
const WIDTH = 2;

// scipy.ndimage.zoom(table.reshape(14, 14, 2), (to / 14, to / 14, 1), order=1) of SciPy 1.17.1, in float64: the second number
// of row 10, and the first number of column 3.
const ZOOMED = [
  {
    to: 24,
    row: [
      0.41676, 0.09653, -0.08668, 0.18681, 0.2987, 0.22204, 0.15596, 0.09458, -0.13234, -0.34308, -0.38892, -0.31772,
      -0.05922, 0.08015, 0.14508, 0.17182, 0.20246, 0.36315, 0.48116, 0.50315, 0.37617, 0.1215, 0.26659, 0.53159,
    ],
    column: [
      -0.04156, -0.09553, -0.05737, 0.28786, 0.15733, -0.52824, -0.7372, -0.73434, -0.049, 0.5202, 0.13786, 0.02857,
      0.35617, 0.5841, 0.74974, 0.44883, 0.05959, -0.37157, -0.47631, 0.1534, 0.35011, 0.17568, 0.31443, 0.54714,
    ],
  },
  {
    to: 28,
    row: [
      -0.11051, -0.22318, -0.33586, -0.36376, -0.38459, -0.22193, -0.02591, -0.08476, -0.22006, -0.43406, -0.68304,
      -0.38872, 0.24515, 0.20784, -0.40476, -0.45144, 0.16213, 0.47727, 0.31494, 0.17603, 0.08982, 0.06366, 0.23767,
      0.35995, 0.1977, 0.04578, 0.01796, -0.00987,
    ],
    column: [
      0.04394, -0.11135, -0.26663, 0.0824, 0.47347, 0.02736, -0.57097, -0.67075, -0.62098, -0.25876, 0.24233, 0.39055,
      0.31824, 0.26667, 0.23286, 0.35048, 0.64476, 0.71769, 0.43646, 0.13637, -0.20611, -0.37312, 0.04477, 0.34983,
      0.03435, -0.23478, 0.05232, 0.33943,
    ],
  },
];

/** The table's number at [row, column, channel] of the new grid, and of the class token's row. */
async function resized(grid: Float32Array, to: number) {
  const cls = Float32Array.of(7, 8);
  const run = compile((table) => resizePositions(table!, [SIDE, SIDE], [to, to], "bilinear"));
  const shape = [1, 1 + SIDE * SIDE, WIDTH];
  const result = await run({ data: Float32Array.of(...cls, ...grid), shape, dtype: "float32" });
  expect(result.shape).toEqual([1, 1 + to * to, WIDTH]);
  const data = (await result.data()).slice();
  result.dispose();
  expect([...data.subarray(0, WIDTH)]).toEqual([...cls]);
  return (row: number, column: number, channel: number): number => data[WIDTH * (1 + row * to + column) + channel]!;
}

function expectNear(found: readonly number[], wanted: readonly number[]): void {
  expect(found).toHaveLength(wanted.length);
  for (const [i, x] of wanted.entries()) expect(Math.abs(found[i]! - x), `place ${i}`).toBeLessThan(1e-5);
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe("a table of positions, resized by `bilinear`", () => {
  beforeAll(async () => {
    await useEngine("compiled", { threads: 1 });
  });

  it.each(ZOOMED)("to a side of $to is SciPy's zoom of order 1", async ({ to, row, column }) => {
    const at = await resized(goldenArray(20, SIDE * SIDE * WIDTH, 1), to);
    expectNear(
      upTo(to).map((i) => at(10, i, 1)),
      row,
    );
    expectNear(
      upTo(to).map((i) => at(i, 3, 0)),
      column,
    );
  });

  it.each([24, 28])("to a side of %i has a ramp from its first number to its last: the corners meet", async (to) => {
    // Column in the first channel, row in the second.
    const ramp = Float32Array.from({ length: SIDE * SIDE * WIDTH }, (_, i) =>
      i % WIDTH === 0 ? (i / WIDTH) % SIDE : Math.floor(i / WIDTH / SIDE),
    );
    const at = await resized(ramp, to);
    const wanted = upTo(to).map((i) => (i * (SIDE - 1)) / (to - 1));
    expectNear(
      upTo(to).map((i) => at(2, i, 0)),
      wanted,
    );
    expectNear(
      upTo(to).map((i) => at(i, 2, 1)),
      wanted,
    );
  });

  it("to a smaller side keeps the corners, and to one place has the first", async () => {
    const grid = goldenArray(21, SIDE * SIDE * WIDTH, 1);
    const smaller = await resized(grid, 7);
    const last = WIDTH * (SIDE * SIDE - 1);
    expectNear([smaller(0, 0, 0), smaller(6, 6, 1)], [grid[0]!, grid[last + 1]!]);
    const one = await resized(grid, 1);
    expectNear([one(0, 0, 0), one(0, 0, 1)], [grid[0]!, grid[1]!]);
  });
});
