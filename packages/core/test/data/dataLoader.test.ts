import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { DataLoader, type DataLoaderOptions, type ImageBatch } from "../../src/data/dataLoader.js";
import { type ImageDataset, InMemoryDataset } from "../../src/data/dataset.js";
import { HALF_NORMALIZATION, toFloatCHW } from "../../src/data/normalize.js";
import { permutation } from "../../src/data/random.js";
import { compose, randomCrop, randomHorizontalFlip } from "../../src/data/transforms.js";
import { pictureOf, plain, readFixture } from "./fixtures.js";

const source = pictureOf(readFixture("crop.safetensors"), "source");
const examples = Array.from({ length: 10 }, (_, i) => ({ image: { ...source }, label: i % 3, id: `example ${i}` }));
const dataset = new InMemoryDataset(examples, ["ant", "bee", "cat"]);
const augment = compose(randomCrop({ width: 5, height: 4 }), randomHorizontalFlip());

async function collect(batches: AsyncIterable<ImageBatch>): Promise<ImageBatch[]> {
  const all: ImageBatch[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}

function loader(options: Partial<DataLoaderOptions> = {}, of: ImageDataset = dataset): DataLoader {
  return new DataLoader(of, { batchSize: 4, normalization: HALF_NORMALIZATION, ...options });
}

describe("DataLoader", () => {
  it("gives every example once, in order, with a last batch that is not full", async () => {
    const batches = await collect(loader().batches(0));
    expect(batches.map(({ size }) => size)).toEqual([4, 4, 2]);
    expect(batches.flatMap(({ ids }) => ids)).toEqual(examples.map(({ id }) => id));
    expect(batches.flatMap(({ inputs }) => [...inputs.labels.data])).toEqual(examples.map(({ label }) => label));
    const { data, shape } = batches[2]!.inputs.pixelValues;
    expect(shape).toEqual([2, 3, 8, 9]);
    const one = toFloatCHW(source, HALF_NORMALIZATION);
    expect(data).toEqual(Float32Array.of(...one, ...one));
  });

  it("leaves the last batch out if asked", async () => {
    const dropping = loader({ dropLast: true });
    expect(dropping.batchesPerEpoch).toBe(2);
    expect((await collect(dropping.batches(0))).map(({ size }) => size)).toEqual([4, 4]);
    expect(loader().batchesPerEpoch).toBe(3);
  });

  it("shuffles each epoch in an order of its own", async () => {
    const shuffled = loader({ shuffle: true, seed: 3 });
    for (const epoch of [0, 1]) {
      const batches = await collect(shuffled.batches(epoch));
      expect(batches.flatMap(({ indices }) => [...indices])).toEqual([...permutation(10, 3, epoch)]);
    }
  });

  it("goes on in the middle of an epoch with the very batches of a whole one", async () => {
    const shuffled = loader({ shuffle: true, seed: 3, transform: augment });
    const whole = await collect(shuffled.batches(5));
    expect(await collect(shuffled.batches(5, { start: 1 }))).toEqual(whole.slice(1));
    expect(await collect(shuffled.batches(5, { start: 3 }))).toEqual([]);
  });

  it("augments an example by seed, epoch and position, whatever the batch", async () => {
    const pictures = async (options: Partial<DataLoaderOptions>, epoch: number) => {
      const byId = new Map<string, string>();
      for (const { inputs, ids, size } of await collect(loader({ transform: augment, ...options }).batches(epoch))) {
        const images = inputs.pixelValues.data;
        const numbers = images.length / size;
        for (const [i, id] of ids.entries()) byId.set(id, images.slice(i * numbers, (i + 1) * numbers).join());
      }
      return new Map([...byId].sort());
    };
    const reference = await pictures({ seed: 1 }, 2);
    expect(await pictures({ seed: 1, shuffle: true, batchSize: 3 }, 2)).toEqual(reference);
    expect(await pictures({ seed: 1 }, 3)).not.toEqual(reference);
    expect(await pictures({ seed: 2 }, 2)).not.toEqual(reference);
  });

  it("prepares two batches ahead of the one in use, and no more", async () => {
    let reads = 0;
    const counting: ImageDataset = {
      length: 10,
      classes: dataset.classes,
      labelAt: (i) => dataset.labelAt(i),
      get: async (i) => {
        reads++;
        await setTimeout(1);
        return dataset.get(i);
      },
    };
    const batches = loader({ batchSize: 1 }, counting).batches(0);
    await batches.next();
    await setTimeout(30);
    expect(reads).toBe(1 + 1 + 2); // given out; next; two more
    await batches.return(undefined);
    await setTimeout(10);
    expect(reads).toBe(4);
  });

  it("stops when aborted, at once and while waiting, with the signal's AbortError", async () => {
    const slow: ImageDataset = { ...dataset, length: 10, labelAt: () => 0, get: () => new Promise(() => {}) };
    const waiting = new AbortController();
    const next = loader({}, slow).batches(0, { signal: waiting.signal }).next();
    waiting.abort();
    await expect(next).rejects.toMatchObject({ name: "AbortError" });

    const between = new AbortController();
    const batches = loader().batches(0, { signal: between.signal });
    await batches.next();
    between.abort();
    await expect(batches.next()).rejects.toMatchObject({ name: "AbortError" });
    const before = loader().batches(0, { signal: AbortSignal.abort() });
    await expect(before.next()).rejects.toMatchObject({ name: "AbortError" });
  });

  it("passes on what reading throws when its batch is due, and nothing if the reader stops before", async () => {
    const broken: ImageDataset = {
      length: 10,
      classes: dataset.classes,
      labelAt: (i) => dataset.labelAt(i),
      get: (i) => (i === 5 ? Promise.reject(new Error("broken example")) : dataset.get(i)),
    };
    const batches = loader({}, broken).batches(0);
    expect((await batches.next()).value.size).toBe(4);
    await expect(batches.next()).rejects.toThrow("broken example");
    const stopped = loader({}, broken).batches(0);
    await stopped.next();
    await stopped.return(undefined); // an unhandled rejection would fail the test run
  });

  it("refuses pictures of two sizes in one batch, and names them", async () => {
    const mixed = new InMemoryDataset(
      [
        { image: plain(4, 4), label: 0, id: "small" },
        { image: plain(5, 4), label: 0, id: "wide" },
      ],
      ["ant"],
    );
    await expect(collect(loader({}, mixed).batches(0))).rejects.toMatchObject({
      code: "SHAPE_MISMATCH",
      message: expect.stringMatching(/small.*wide/),
    });
  });

  it("refuses an impossible batch size, start and an empty data set", async () => {
    for (const batchSize of [0, 1.5, Number.NaN]) {
      expect(() => loader({ batchSize })).toThrow(expect.objectContaining({ code: "ARGUMENT_INVALID" }));
    }
    expect(() => loader({}, new InMemoryDataset([], []))).toThrow(expect.objectContaining({ code: "DATA_EMPTY" }));
    await expect(loader().batches(0, { start: -1 }).next()).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
  });
});
