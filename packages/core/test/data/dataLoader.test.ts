import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { DataLoader, type DataLoaderOptions } from "../../src/data/dataLoader.js";
import { type ImageDataset, InMemoryDataset, subset } from "../../src/data/dataset.js";
import { mixup } from "../../src/data/mixup.js";
import { HALF_NORMALIZATION, toFloatCHW } from "../../src/data/normalize.js";
import { permutation } from "../../src/data/random.js";
import { randomErasing } from "../../src/data/randomErasing.js";
import { compose, randomCrop, randomHorizontalFlip } from "../../src/data/transforms.js";
import { PeftError } from "../../src/errors.js";
import { collect, pictureOf, plain, readFixture } from "./fixtures.js";

const source = pictureOf(readFixture("crop.safetensors"), "source");
const examples = Array.from({ length: 10 }, (_, i) => ({ image: { ...source }, label: i % 3, id: `example ${i}` }));
const dataset = new InMemoryDataset(examples, ["ant", "bee", "cat"]);
const augment = compose(randomCrop({ width: 5, height: 4 }), randomHorizontalFlip());

function loader(options: Partial<DataLoaderOptions> = {}, of: ImageDataset = dataset): DataLoader {
  return new DataLoader(of, { batchSize: 4, normalization: HALF_NORMALIZATION, ...options });
}

/** A data set's members, to put others in their place. */
function views(of: ImageDataset): ImageDataset {
  return {
    length: of.length,
    classes: of.classes,
    labelAt: (i) => of.labelAt(i),
    get: (i) => of.get(i),
    fingerprint: () => of.fingerprint(),
  };
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
    const dropping = loader({ lastBatch: "drop" });
    expect(dropping.batchesPerEpoch).toBe(2);
    expect((await collect(dropping.batches(0))).map(({ size }) => size)).toEqual([4, 4]);
    expect(loader().batchesPerEpoch).toBe(3);
  });

  it("fills the last batch with the epoch's first examples if asked, and says how many they are", async () => {
    const padding = loader({ lastBatch: "pad", shuffle: true, seed: 2 });
    expect(padding.batchesPerEpoch).toBe(3);
    const batches = await collect(padding.batches(0));
    expect(batches.map(({ size, repeats }) => [size, repeats])).toEqual([
      [4, 0],
      [4, 0],
      [4, 2],
    ]);
    const order = [...permutation(10, 2, 0)];
    expect(batches.flatMap(({ indices }) => [...indices])).toEqual([...order, ...order.slice(0, 2)]);
    const [only] = await collect(loader({ lastBatch: "pad", batchSize: 23 }).batches(0));
    expect(only!.repeats).toBe(13);
    expect([...only!.indices.slice(9, 21)]).toEqual([9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0]);
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

  it.each([
    [undefined, 2],
    [0, 0],
    [1, 1],
    [5, 5],
  ])("decodes no more examples ahead than prefetch: %s allows, which is %s batches", async (prefetch, ahead) => {
    let decoded = 0;
    const counting: ImageDataset = { ...views(dataset), length: 30, get: (i) => later(i % 10) };
    async function later(i: number) {
      decoded++;
      await setTimeout(1);
      return dataset.get(i);
    }
    const batches = loader({ batchSize: 3, prefetch }, counting).batches(0);
    await setTimeout(5);
    expect(decoded).toBe(0); // nothing before the first is asked for
    for (let given = 1; given <= 10; given++) {
      await batches.next();
      await setTimeout(15);
      expect(decoded, `after batch ${given}`).toBe(3 * Math.min(given + ahead, 10));
    }
    expect((await batches.next()).done).toBe(true);
  });

  it("decodes nothing more when the reader stops", async () => {
    let decoded = 0;
    const counting: ImageDataset = {
      ...views(dataset),
      get: (i) => {
        decoded++;
        return dataset.get(i);
      },
    };
    const batches = loader({ batchSize: 1 }, counting).batches(0);
    await batches.next();
    await batches.return(undefined);
    await setTimeout(10);
    expect(decoded).toBe(3);
  });

  it("stops when aborted, at once and while waiting, with the signal's AbortError", async () => {
    const slow: ImageDataset = { ...views(dataset), get: () => new Promise(() => {}) };
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
      ...views(dataset),
      get: (i) => (i === 5 ? Promise.reject(new Error("broken example")) : dataset.get(i)),
    };
    const batches = loader({}, broken).batches(0);
    expect((await batches.next()).value.size).toBe(4);
    await expect(batches.next()).rejects.toThrow("broken example");
    const stopped = loader({}, broken).batches(0);
    await stopped.next();
    await stopped.return(undefined); // an unhandled rejection would fail the test run
  });

  it("names the example that cannot be read or transformed, and keeps the error's code and hint", async () => {
    const failing = (cause: unknown): ImageDataset => ({
      ...views(dataset),
      get: (i) => (i === 6 ? Promise.reject(cause) : dataset.get(i)),
    });
    const invalid = new PeftError("IMAGE_INVALID", "no picture", { place: "ant/6.png", hint: "remove it" });
    await expect(collect(loader({}, failing(invalid)).batches(0))).rejects.toMatchObject({
      code: "IMAGE_INVALID",
      place: "example 6",
      hint: "remove it",
      message: "no picture (ant/6.png) (example 6)\n  hint: remove it",
      cause: invalid,
    });
    await expect(collect(loader({}, failing("text")).batches(0))).rejects.toMatchObject({
      code: "DATA_INVALID",
      message: "text (example 6)",
    });
    const tooLarge = loader({ transform: randomCrop({ width: 100, height: 4 }), batchSize: 1 });
    await expect(collect(tooLarge.batches(0))).rejects.toMatchObject({ code: "ARGUMENT_INVALID", place: "example 0" });
  });

  it("transforms pixels by seed, epoch and position, and batches by seed, epoch and place in the epoch", async () => {
    const noise = randomErasing({ probability: 1, mode: "pixel" });
    const mixed = loader({ pixelTransform: noise, batchTransform: mixup({ classes: 3 }), seed: 4 });
    const whole = await collect(mixed.batches(1));
    expect(whole[0]!.inputs.labels.shape).toEqual([4, 3]);
    expect(await collect(mixed.batches(1, { start: 2 }))).toEqual(whole.slice(2));
    const erased = (options: Partial<DataLoaderOptions>) =>
      collect(loader({ pixelTransform: noise, ...options }).batches(0));
    const bySize = async (batchSize: number) => {
      const batches = await erased({ batchSize });
      return Float32Array.from(batches.flatMap(({ inputs }) => [...inputs.pixelValues.data]));
    };
    expect(await bySize(4)).toEqual(await bySize(7));
    expect(await erased({ seed: 1 })).not.toEqual(await erased({ seed: 2 }));
    expect(whole[0]!.inputs.pixelValues.data).not.toEqual(
      (await collect(mixed.batches(2)))[0]!.inputs.pixelValues.data,
    );
  });

  it("has a fingerprint of its data set and of all that orders the batches", async () => {
    const of = (options: Partial<DataLoaderOptions> = {}, data?: ImageDataset) => loader(options, data).fingerprint();
    const fingerprints = await Promise.all([
      of(),
      of({ batchSize: 5 }),
      of({ lastBatch: "drop" }),
      of({ shuffle: true }),
      of({ shuffle: true, seed: 1 }),
      of({}, subset(dataset, [0, 1, 2])),
    ]);
    expect(new Set(fingerprints).size).toBe(6);
    expect(await of({ transform: augment, prefetch: 7 })).toBe(fingerprints[0]);
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
    for (const prefetch of [-1, 1.5]) {
      expect(() => loader({ prefetch })).toThrow(expect.objectContaining({ code: "ARGUMENT_INVALID" }));
    }
    expect(() => loader({}, new InMemoryDataset([], []))).toThrow(expect.objectContaining({ code: "DATA_EMPTY" }));
    await expect(loader().batches(0, { start: -1 }).next()).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
  });
});
