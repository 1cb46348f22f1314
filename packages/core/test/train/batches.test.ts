import fc from "fast-check";
import { expect, it } from "vitest";
import type { Batch } from "../../src/index.js";
import { arrayBatches } from "../../src/train/index.js";
import { floats } from "./models.js";

const listed = async (batches: AsyncIterable<Batch>): Promise<number[][]> => {
  const list = [];
  for await (const { inputs, size } of batches) {
    expect(inputs.y!.shape).toEqual([size]);
    expect([...inputs.x!.data].filter((_, i) => i % 2 === 0)).toEqual([...inputs.y!.data].map((y) => 10 * y));
    list.push([...inputs.y!.data]);
  }
  return list;
};

const source = (
  count: number,
  batchSize: number,
  more: { shuffle?: boolean; dropLast?: boolean; seed?: number } = {},
) => {
  const y = Array.from({ length: count }, (_, i) => i);
  const arrays = {
    x: floats(
      y.flatMap((i) => [10 * i, -i]),
      [count, 2],
    ),
    y: { data: Int32Array.from(y), shape: [count], dtype: "int32" as const },
  };
  return arrayBatches(arrays, { batchSize, ...more });
};

it("an epoch holds every example once, in batches of the size asked for", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 1, max: 12 }),
      fc.nat(5),
      fc.boolean(),
      async (count, batchSize, epoch, shuffle) => {
        const batches = source(count, batchSize, { shuffle });
        const list = await listed(batches.batches(epoch, { start: 0 }));
        expect(list).toHaveLength(batches.batchesPerEpoch);
        expect(list.slice(0, -1).every((batch) => batch.length === batchSize)).toBe(true);
        expect(list.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
      },
    ),
  );
});

it("an epoch can be gone on with in the middle, and epochs differ in their order", async () => {
  const batches = source(20, 3, { shuffle: true, seed: 1 });
  const whole = await listed(batches.batches(2, { start: 0 }));
  expect(await listed(batches.batches(2, { start: 4 }))).toEqual(whole.slice(4));
  expect(await listed(batches.batches(3, { start: 0 }))).not.toEqual(whole);
});

it("dropLast leaves out a last batch that is not full", async () => {
  const batches = source(11, 4, { dropLast: true });
  expect(batches.batchesPerEpoch).toBe(2);
  expect(await listed(batches.batches(0, { start: 0 }))).toEqual([
    [0, 1, 2, 3],
    [4, 5, 6, 7],
  ]);
});

it("arrays that cannot be batched are refused", () => {
  const code = (c: string) => expect.objectContaining({ code: c });
  expect(() => source(0, 4)).toThrow(code("DATA_EMPTY"));
  expect(() => source(3, 4, { dropLast: true })).toThrow(code("DATA_EMPTY"));
  expect(() => source(3, 0)).toThrow(code("ARGUMENT_INVALID"));
  const arrays = { x: floats([1, 2], [2]), y: floats([1], [1]) };
  expect(() => arrayBatches(arrays, { batchSize: 1 })).toThrow(code("SHAPE_MISMATCH"));
});
