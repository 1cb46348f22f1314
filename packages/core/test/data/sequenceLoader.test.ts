import { describe, expect, it } from "vitest";
import { type ArrayExample, collateArrays } from "../../src/data/collate.js";
import { uniformAt } from "../../src/data/random.js";
import { ArrayDataset, SequenceLoader, type SequenceLoaderOptions } from "../../src/data/sequenceLoader.js";
import { collect } from "./fixtures.js";

const tokens = (...ids: number[]): ArrayExample[string] => ({
  data: Int32Array.from(ids),
  shape: [ids.length],
  dtype: "int32",
});
const label = (id: number): ArrayExample[string] => ({ data: Int32Array.of(id), shape: [], dtype: "int32" });
const frames = (length: number, value: number): ArrayExample[string] => ({
  data: new Float32Array(length * 2).fill(value),
  shape: [length, 2],
  dtype: "float32",
});
const PADDING = { inputIds: { value: 1, lengths: [4, 8], mask: "attentionMask" } };

describe("collateArrays", () => {
  it("pads to the least length that holds the longest, with a mask of what is real", () => {
    const batch = collateArrays(
      [
        { inputIds: tokens(5, 6), labels: label(2) },
        { inputIds: tokens(7, 8, 9), labels: label(0) },
      ],
      PADDING,
    );
    expect(batch).toEqual({
      inputIds: { data: Int32Array.of(5, 6, 1, 1, 7, 8, 9, 1), shape: [2, 4], dtype: "int32" },
      labels: { data: Int32Array.of(2, 0), shape: [2], dtype: "int32" },
      attentionMask: { data: Int32Array.of(1, 1, 0, 0, 1, 1, 1, 0), shape: [2, 4], dtype: "int32" },
    });
  });

  it("pads frames as whole rows, each array to lengths of its own", () => {
    const { inputs, targets } = collateArrays(
      [
        { inputs: frames(1, 3), targets: tokens(4) },
        { inputs: frames(3, 5), targets: tokens() },
      ],
      { inputs: { value: -1, lengths: [3] }, targets: { value: -100, lengths: [2] } },
    );
    expect(inputs).toEqual({
      data: Float32Array.of(3, 3, -1, -1, -1, -1, 5, 5, 5, 5, 5, 5),
      shape: [2, 3, 2],
      dtype: "float32",
    });
    expect([...targets!.data]).toEqual([4, -100, -100, -100]);
  });

  it("says which example does not fit the others, and how", () => {
    const first = { inputIds: tokens(1), labels: label(0) };
    const collate =
      (other: ArrayExample, padding = PADDING) =>
      () =>
        collateArrays([first, other], padding);
    const at = (code: string, message: RegExp) =>
      expect.objectContaining({ code, place: "example 1", message: expect.stringMatching(message) });
    expect(collate({ inputIds: tokens(1) })).toThrow(at("SHAPE_MISMATCH", /inputIds.*labels/));
    expect(collate({ inputIds: tokens(1), labels: tokens(0) })).toThrow(
      at("SHAPE_MISMATCH", /"labels" is int32 \[1\]/),
    );
    expect(collate({ inputIds: frames(1, 1), labels: label(0) })).toThrow(at("SHAPE_MISMATCH", /float32 \[1,2\]/));
    expect(collate({ inputIds: tokens(1, 2, 3, 4, 5, 6, 7, 8, 9), labels: label(0) })).toThrow(
      at("DATA_INVALID", /"inputIds" is 9 long, more than 8/),
    );
    expect(() => collateArrays([first], { labels: { value: 0, lengths: [1] } })).toThrow(/one number/);
    const wrong = expect.objectContaining({ code: "ARGUMENT_INVALID" });
    expect(() => collateArrays([first], { other: { value: 0, lengths: [1] } })).toThrow(wrong);
    expect(() => collateArrays([first], { inputIds: { value: 0, lengths: [1], mask: "labels" } })).toThrow(wrong);
  });
});

describe("SequenceLoader", () => {
  const examples = Array.from({ length: 90 }, (_, i) => {
    const length = 1 + Math.floor(uniformAt(5, i) * 30);
    return { inputIds: tokens(...Array.from({ length }, (_, j) => i + j)), labels: label(i) };
  });
  const dataset = new ArrayDataset(examples);
  const padding = { inputIds: { value: 0, lengths: [8, 16, 32], mask: "attentionMask" } };
  const loader = (options: Partial<SequenceLoaderOptions> = {}) =>
    new SequenceLoader(dataset, { batchSize: 4, padding, ...options });

  it("meets no more shapes than there are lengths, over many epochs", async () => {
    const shapes = new Set<string>();
    const sequences = loader({ shuffle: true, lastBatch: "pad", batchSize: 2 });
    for (let epoch = 0; epoch < 5; epoch++) {
      for await (const { inputs } of sequences.batches(epoch)) {
        shapes.add(JSON.stringify(Object.entries(inputs).map(([name, { shape }]) => [name, shape])));
      }
    }
    expect(shapes.size).toBe(3);
  });

  it("gives every example once, whole, and goes on in the middle with the very batches of a whole epoch", async () => {
    const shuffled = loader({ shuffle: true, seed: 2 });
    const whole = await collect(shuffled.batches(3));
    expect(whole.flatMap(({ inputs }) => [...inputs.labels!.data]).sort((a, b) => a - b)).toEqual(
      examples.map((_, i) => i),
    );
    for (const { inputs, indices, size } of whole) {
      const length = inputs.inputIds!.shape[1]!;
      for (let i = 0; i < size; i++) {
        const row = inputs.inputIds!.data.slice(i * length, (i + 1) * length);
        const real = Array.from(inputs.attentionMask!.data)
          .slice(i * length, (i + 1) * length)
          .reduce((a, b) => a + b, 0);
        expect([...row.slice(0, real)]).toEqual([...examples[indices[i]!]!.inputIds.data]);
      }
    }
    expect(await collect(shuffled.batches(3, { start: 20 }))).toEqual(whole.slice(20));
  });

  it("transforms an example by seed, epoch and position, whatever the batch", async () => {
    const transform: SequenceLoaderOptions["transform"] = (example, key) => ({ ...example, labels: label(key | 0) });
    const labels = async (options: Partial<SequenceLoaderOptions>, epoch = 0) => {
      const batches = await collect(loader({ transform, ...options }).batches(epoch));
      return new Map(
        batches.flatMap(({ indices, inputs }) => [...indices].map((index, i) => [index, inputs.labels!.data[i]])),
      );
    };
    const reference = new Map([...(await labels({}))].sort(([a], [b]) => a - b));
    const shuffled = await labels({ shuffle: true, batchSize: 7 });
    expect(new Map([...shuffled].sort(([a], [b]) => a - b))).toEqual(reference);
    expect(await labels({}, 1)).not.toEqual(reference);
    expect(await labels({ seed: 1 })).not.toEqual(reference);
  });

  it("names the example that is too long by its position in the data set", async () => {
    const short = loader({ padding: { inputIds: { value: 0, lengths: [8] } }, batchSize: 90 });
    const longest = examples.reduce(
      (most, { inputIds }, i) => (inputIds.data.length > examples[most]!.inputIds.data.length ? i : most),
      0,
    );
    await expect(collect(short.batches(0))).rejects.toMatchObject({ place: `example ${longest}` });
  });

  it("has a fingerprint that tells other numbers, names and shapes", async () => {
    const of = (...list: ArrayExample[]) => new ArrayDataset(list).fingerprint();
    const fingerprints = await Promise.all([
      of({ a: tokens(1, 2) }),
      of({ a: tokens(1, 3) }),
      of({ b: tokens(1, 2) }),
      of({ a: { ...tokens(1, 2), shape: [2, 1] } }),
      of({ a: tokens(1) }, { a: tokens(2) }),
    ]);
    expect(new Set(fingerprints).size).toBe(5);
    expect(await of({ a: tokens(1, 2) })).toBe(fingerprints[0]);
    expect(await loader().fingerprint()).not.toBe(await loader({ batchSize: 5 }).fingerprint());
  });

  it("refuses lengths that are none or do not ascend", () => {
    for (const lengths of [[], [8, 8], [0, 4], [1.5]]) {
      expect(() => loader({ padding: { inputIds: { value: 0, lengths } } })).toThrow(
        expect.objectContaining({ code: "ARGUMENT_INVALID", place: "inputIds" }),
      );
    }
  });
});
