import { describe, expect, it } from "vitest";
import { crop } from "../../src/data/geometry.js";
import { augmentationKey } from "../../src/data/random.js";
import { erase, randomErasing } from "../../src/data/randomErasing.js";
import { randomArea, randomResizedCrop } from "../../src/data/randomResizedCrop.js";
import type { Range } from "../../src/data/ranges.js";
import { resize } from "../../src/data/resize.js";
import { casesOf, differences, pictureOf, readFixture, replay } from "./fixtures.js";

const invalid = expect.objectContaining({ code: "ARGUMENT_INVALID" });

interface CropCase {
  width: number;
  height: number;
  scale: Range;
  ratio: Range;
  uniforms: number[];
  area: { top: number; left: number; width: number; height: number };
}

describe("randomResizedCrop", () => {
  const fixture = readFixture("augmentations/random-resized-crop.safetensors");

  it("takes the parts that torchvision takes, given the same numbers, its ten tries and fallback included", () => {
    const cases = casesOf<CropCase>(fixture);
    for (const { width, height, scale, ratio, uniforms, area } of cases) {
      const draws = replay(uniforms);
      expect(randomArea({ width, height }, scale, ratio, draws)).toEqual(area);
      expect(draws.left).toBe(0);
    }
    expect(cases.filter(({ uniforms }) => uniforms.length === 20).length).toBeGreaterThan(10); // all ten tries in vain
    expect(cases.filter(({ uniforms }) => uniforms.length === 4).length).toBeGreaterThan(10); // the first try taken
  });

  it("resizes the part as Pillow does, after cutting it out", () => {
    const source = pictureOf(fixture, "source.colourful");
    const size = { width: 8, height: 6 };
    const sizes = new Set<number>();
    for (let i = 0; i < 20; i++) {
      const result = randomResizedCrop(size, { filter: "bicubic" })(source, augmentationKey(1, i));
      expect([result.width, result.height]).toEqual([8, 6]);
      sizes.add(result.data[0]!);
    }
    expect(sizes.size).toBeGreaterThan(5);
    const whole = randomResizedCrop(size, { scale: [1, 1], ratio: [23 / 19, 23 / 19] })(source, 3);
    const part = crop(source, { left: 0, top: 0, width: 23, height: 19 });
    expect(differences(whole.data, resize(part, size, "bilinear").data)).toBe("");
  });

  it("refuses ranges that run backwards or are not positive", () => {
    const size = { width: 4, height: 4 };
    expect(() => randomResizedCrop(size, { scale: [0.5, 0.1] })).toThrow(invalid);
    expect(() => randomResizedCrop(size, { scale: [0, 1] })).toThrow(invalid);
    expect(() => randomResizedCrop(size, { ratio: [-1, 1] })).toThrow(invalid);
    expect(() => randomResizedCrop(size, { ratio: [1, Number.NaN] })).toThrow(invalid);
  });
});

interface EraseCase {
  name: string;
  mode: "const" | "rand" | "pixel";
  area: Range;
  ratio: Range;
  count: Range;
  uniforms: number[];
}

describe("randomErasing", () => {
  const fixture = readFixture("augmentations/random-erasing.safetensors");
  const size = { width: 13, height: 11 };

  it.each(casesOf<EraseCase>(fixture).map((one, i) => [`${one.mode}, ${one.count[1]} at most, ${i}`, one] as const))(
    "writes what timm writes, given the same numbers: %s",
    (_, { name, uniforms, ...settings }) => {
      const pixels = new Float32Array(3 * 11 * 13).fill(7);
      const draws = replay(uniforms);
      erase(pixels, size, { probability: 0.8, ...settings }, draws);
      const expected = fixture.tensors.get(name)!.data as Float32Array;
      expect(draws.left).toBe(0);
      expect([...pixels].map((x) => x === 7)).toEqual([...expected].map((x) => x === 7));
      // A logarithm and a cosine may differ in the last bit of float64, and so their product in that of float32.
      for (const [i, x] of expected.entries())
        expect(Math.abs(pixels[i]! - x)).toBeLessThanOrEqual(2 ** -23 * Math.abs(x));
    },
  );

  it("depends on its key alone, and erases with its probability", () => {
    const erased = (key: number, probability: number) => {
      const pixels = new Float32Array(3 * 11 * 13).fill(7);
      randomErasing({ probability })(pixels, size, key);
      return pixels;
    };
    expect(erased(augmentationKey(5), 1)).toEqual(erased(augmentationKey(5), 1));
    const count = Array.from({ length: 400 }, (_, i) => erased(augmentationKey(i), 0.25)).filter((p) => p.includes(0));
    expect(Math.abs(count.length - 100)).toBeLessThan(35); // four deviations of the binomial
    expect(erased(1, 0).every((x) => x === 7)).toBe(true);
  });

  it("refuses what is out of range", () => {
    for (const options of [
      { probability: 2 },
      { area: [0.5, 0.2] as const },
      { area: [0, 2] as const },
      { ratio: [0, 1] as const },
      { count: [0, 1] as const },
      { count: [1, 1.5] as const },
    ]) {
      expect(() => randomErasing(options)).toThrow(invalid);
    }
  });
});
