import { describe, expect, it } from "vitest";
import type { AffineFilter } from "../../src/data/affine.js";
import type { Rgb } from "../../src/data/image.js";
import { augment, randAugment, TORCHVISION_OPERATIONS } from "../../src/data/randAugment.js";
import { augmentationKey } from "../../src/data/random.js";
import { type TimmRandAugmentOptions, timmAugment, timmRandAugment } from "../../src/data/timmRandAugment.js";
import { casesOf, differences, pictureOf, readFixture, replay } from "./fixtures.js";

const invalid = expect.objectContaining({ code: "ARGUMENT_INVALID" });

interface TorchvisionCase {
  name: string;
  operations: number;
  operation: string;
  magnitude: number;
  filter: AffineFilter;
  fill: Rgb | null;
  uniforms: number[];
}

describe("randAugment", () => {
  const fixture = readFixture("augmentations/torchvision-rand-augment.safetensors");
  const source = pictureOf(fixture, "source.colourful");

  it.each(
    casesOf<TorchvisionCase>(fixture).map(
      (one) => [`${one.operation} at ${one.magnitude}, ${one.filter}`, one] as const,
    ),
  )(
    "equals torchvision's bits, given the same numbers: %s",
    (_, { name, operations, magnitude, filter, fill, uniforms }) => {
      const draws = replay(uniforms);
      const result = augment(source, operations, magnitude, { filter, fill: fill ?? undefined }, draws);
      expect(differences(result.data, pictureOf(fixture, name).data)).toBe("");
      expect(draws.left).toBe(0);
    },
  );

  it("draws the operation that changes nothing once in fourteen times", () => {
    const flat = pictureOf(fixture, "source.flat"); // which every other operation changes
    const transform = randAugment({ operations: 1, magnitude: 20 });
    const pictures = Array.from({ length: 2800 }, (_, i) => transform(flat, augmentationKey(1, 0, i)));
    const same = pictures.filter(({ data }) => differences(data, flat.data) === "").length;
    expect(Object.keys(TORCHVISION_OPERATIONS)).toHaveLength(14);
    expect(Math.abs(same - 200)).toBeLessThan(55); // four deviations of the binomial
  });

  it("depends on its key alone", () => {
    const transform = randAugment();
    const at = (i: number) => transform(source, augmentationKey(4, 2, i)).data.join();
    const all = [0, 1, 2, 3, 4, 5, 6, 7].map(at);
    expect([7, 6, 5, 4, 3, 2, 1, 0].map(at)).toEqual(all.toReversed());
    expect(new Set(all).size).toBeGreaterThan(4);
  });

  it("refuses magnitudes that torchvision does not have", () => {
    for (const magnitude of [-1, 31, 2.5]) expect(() => randAugment({ magnitude })).toThrow(invalid);
  });
});

interface TimmCase {
  name: string;
  config: string;
  options: TimmRandAugmentOptions & { magnitudeDeviation?: number | "Infinity" };
  uniforms: number[];
}

describe("timmRandAugment", () => {
  const fixture = readFixture("augmentations/timm-rand-augment.safetensors");
  const source = pictureOf(fixture, "source.colourful");

  it.each(casesOf<TimmCase>(fixture).map((one) => [`${one.config}, ${one.name}`, one] as const))(
    "equals timm's bits, given the same numbers: %s",
    (_, { name, options, uniforms }) => {
      const draws = replay(uniforms);
      const { magnitudeDeviation = 0 } = options;
      const result = timmAugment(source, { ...options, magnitudeDeviation: Number(magnitudeDeviation) }, draws);
      expect(differences(result.data, pictureOf(fixture, name).data)).toBe("");
      expect(draws.left).toBe(0);
    },
  );

  it("leaves a quarter of the pictures as they are, of two operations with probability 1/2", () => {
    const transform = timmRandAugment({ magnitude: 9, increasing: true });
    const same = Array.from({ length: 800 }, (_, i) => transform(source, augmentationKey(1, 0, i))).filter(
      ({ data }) => data === source.data,
    ).length;
    expect(Math.abs(same - 200)).toBeLessThan(49); // four deviations of the binomial
  });

  it("refuses a negative magnitude or deviation and what is no probability", () => {
    for (const options of [{ magnitude: -1 }, { magnitudeDeviation: -1 }, { probability: 1.5 }]) {
      expect(() => timmRandAugment(options)).toThrow(invalid);
    }
  });
});
