import { describe, expect, it } from "vitest";
import { symmetricBeta } from "../../src/data/beta.js";
import type { ImageBatch } from "../../src/data/dataLoader.js";
import { applyMixes, boxOfShare, boxOfSides, cutMix, type Mix, mixup } from "../../src/data/mixup.js";
import { augmentationKey, drawsFrom } from "../../src/data/random.js";
import { casesOf, differences, readFixture, replay } from "./fixtures.js";

interface Case {
  label: string;
  mode: "batch" | "pair" | "elem";
  kind: string;
  shares: number[];
  cuts: boolean[];
  uniforms: number[];
}

const fixture = readFixture("augmentations/mixup.safetensors");
const size = { width: 8, height: 9 };

function batchOf(pixels: Float32Array, labels: Int32Array): ImageBatch {
  const count = labels.length;
  return {
    inputs: {
      pixelValues: { data: pixels, shape: [count, 3, size.height, size.width], dtype: "float32" },
      labels: { data: labels, shape: [count], dtype: "int32" },
    },
    ids: Array.from(labels, (_, i) => `example ${i}`),
    indices: Uint32Array.from(labels, (_, i) => i),
    repeats: 0,
    size: count,
  };
}

function numbersOf(name: string): Float32Array {
  return fixture.tensors.get(name)!.data as Float32Array;
}

describe("mixing a batch", () => {
  it.each(casesOf<Case>(fixture).map((one) => [`${one.kind} by ${one.mode}, ${one.label}`, one] as const))(
    "equals timm's bits, given the same shares and numbers: %s",
    (_, { label, mode, kind, shares, cuts, uniforms }) => {
      const labels = fixture.tensors.get(`${label}.labels`)!.data as Int32Array;
      const count = labels.length;
      const draws = replay(uniforms);
      const drawn = shares.map((share, i): Mix => {
        if (share === 1 || !cuts[i]) return { share };
        return cutMix(kind === "sides" ? boxOfSides(size, [0.2, 0.7], draws) : boxOfShare(size, share, draws), size);
      });
      const groupOf = (i: number) => (mode === "batch" ? 0 : mode === "pair" ? Math.min(i, count - 1 - i) : i);
      const mixes = Array.from(labels, (_, i) => drawn[groupOf(i)]!);
      const { pixelValues, labels: targets } = applyMixes(
        batchOf(numbersOf(`${label}.pixels`), labels),
        mixes,
        5,
        0.1,
      ).inputs;
      expect(draws.left).toBe(0);
      expect(differences(pixelValues.data, numbersOf(`${label}.mixed`))).toBe("");
      expect(targets).toMatchObject({ shape: [count, 5], dtype: "float32" });
      const expected = numbersOf(`${label}.targets`);
      // By batch, timm takes 1 - share in float64; here shares are float32 throughout, as timm has them otherwise.
      const bound = mode === "batch" ? 2 ** -23 : 0;
      for (const [i, x] of expected.entries()) expect(Math.abs(targets.data[i]! - x)).toBeLessThanOrEqual(bound);
    },
  );

  it("leaves the given batch as it is, and an example without a partner unmixed", () => {
    const pixels = Float32Array.from({ length: 3 * 3 * 72 }, (_, i) => Math.sin(i));
    const before = pixels.slice();
    const mixed = mixup({ classes: 3, labelSmoothing: 0 })(batchOf(pixels, Int32Array.of(0, 1, 2)), augmentationKey(3));
    expect(pixels).toEqual(before);
    const middle = (data: ArrayLike<number>) => Array.from(data).slice(216, 432);
    expect(middle(mixed.inputs.pixelValues.data)).toEqual(middle(before));
    expect([...mixed.inputs.labels.data].slice(3, 6)).toEqual([0, 1, 0]);
    expect(differences(mixed.inputs.pixelValues.data, before)).not.toBe("");
  });

  it("gives targets that add up to one and say how much of a picture is whose", () => {
    const pixels = new Float32Array(4 * 216).map((_, i) => Math.floor(i / 216) + 1);
    const labels = Int32Array.of(0, 1, 2, 3);
    for (const mode of ["batch", "pair", "example"] as const) {
      for (let key = 0; key < 20; key++) {
        const options = { classes: 4, cutmixAlpha: 1, mode, labelSmoothing: 0 };
        const { pixelValues, labels: targets } = mixup(options)(batchOf(pixels, labels), augmentationKey(key)).inputs;
        for (let i = 0; i < 4; i++) {
          const own = targets.data[i * 4 + i]!;
          expect(own + targets.data[i * 4 + 3 - i]!).toBeCloseTo(1, 6);
          const mean = Array.from(pixelValues.data.slice(i * 216, (i + 1) * 216)).reduce((a, b) => a + b) / 216;
          expect(mean).toBeCloseTo(own * (i + 1) + (1 - own) * (4 - i), 4);
        }
      }
    }
  });

  it("is a function of its key, and mixes with its probability", () => {
    const pixels = new Float32Array(2 * 216).fill(1).fill(2, 216);
    const batch = batchOf(pixels, Int32Array.of(0, 1));
    const transform = mixup({ classes: 2, probability: 0.3 });
    const mixed = Array.from({ length: 400 }, (_, i) => transform(batch, augmentationKey(i)).inputs.pixelValues.data);
    expect(transform(batch, augmentationKey(7)).inputs.pixelValues.data).toEqual(mixed[7]);
    const count = mixed.filter((data) => differences(data, pixels) !== "").length;
    expect(Math.abs(count - 120)).toBeLessThan(37); // four deviations of the binomial
  });

  it("refuses settings that mix nothing or are out of range, and labels beyond the classes", () => {
    for (const options of [
      { classes: 0 },
      { classes: 2, mixupAlpha: 0 },
      { classes: 2, mixupAlpha: -1, cutmixAlpha: 3 },
      { classes: 2, cutmixSides: [0.5, 2] as const },
      { classes: 2, probability: 3 },
    ]) {
      expect(() => mixup(options)).toThrow(expect.objectContaining({ code: "ARGUMENT_INVALID" }));
    }
    const batch = batchOf(new Float32Array(432), Int32Array.of(0, 5));
    expect(() => mixup({ classes: 2 })(batch, 1)).toThrow(
      expect.objectContaining({ code: "DATA_INVALID", place: "example 1" }),
    );
  });
});

describe("symmetricBeta", () => {
  /** Distribution functions of Beta(alpha, alpha) that have a closed form. */
  const CDF: [number, (x: number) => number][] = [
    [0.5, (x) => (2 / Math.PI) * Math.asin(Math.sqrt(x))],
    [1, (x) => x],
    [2, (x) => x * x * (3 - 2 * x)],
    [3, (x) => x ** 3 * (10 - 15 * x + 6 * x * x)],
  ];

  it.each(CDF)("has the distribution Beta(%s, same), by Kolmogorov and Smirnov", (alpha, cdf) => {
    const n = 5000;
    const sorted = Float64Array.from({ length: n }, (_, i) =>
      symmetricBeta(alpha, drawsFrom(augmentationKey(9, i))),
    ).sort();
    const distance = sorted.reduce((most, x, i) => Math.max(most, cdf(x) - i / n, (i + 1) / n - cdf(x)), 0);
    expect(distance * Math.sqrt(n)).toBeLessThan(1.95); // exceeded by one sample in a thousand
  });

  it("stays between 0 and 1 for a small alpha, where most is at the ends", () => {
    const drawn = Array.from({ length: 1000 }, (_, i) => symmetricBeta(0.01, drawsFrom(augmentationKey(2, i))));
    expect(drawn.every((x) => x >= 0 && x <= 1)).toBe(true);
    expect(drawn.filter((x) => x > 0.01 && x < 0.99).length).toBeLessThan(100);
    expect(Math.abs(drawn.filter((x) => x > 0.5).length - 500)).toBeLessThan(64); // four deviations of the binomial
  });
});
