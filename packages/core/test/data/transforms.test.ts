import { describe, expect, it } from "vitest";
import { adjustBrightness, adjustContrast, adjustHue, adjustSaturation } from "../../src/data/color.js";
import { colorJitter } from "../../src/data/colorJitter.js";
import { flipHorizontal } from "../../src/data/geometry.js";
import { augmentationKey, permutation, uniformAt } from "../../src/data/random.js";
import {
  centerCropTo,
  compose,
  padBy,
  randomCrop,
  randomGrayscale,
  randomHorizontalFlip,
  randomVerticalFlip,
  resizeShortestEdgeTo,
  resizeTo,
} from "../../src/data/transforms.js";
import { pictureOf, plain, readFixture } from "./fixtures.js";

const source = pictureOf(readFixture("crop.safetensors"), "source");
const keys = Array.from({ length: 2000 }, (_, i) => augmentationKey(5, 0, i));

describe("random transforms", () => {
  it("depend on the key alone", () => {
    const transform = compose(randomCrop({ width: 5, height: 4 }), randomHorizontalFlip());
    const results = keys.map((key) => transform(source, key));
    expect(keys.toReversed().map((key) => transform(source, key))).toEqual(results.toReversed());
    expect(new Set(results.map(({ data }) => data.join())).size).toBe(5 * 5 * 2); // every place, mirrored and not
  });

  it("crop every place about equally often, corners included", () => {
    const counts = new Map<number, number>();
    const numbered = { width: 4, height: 3, data: Uint8Array.from({ length: 36 }, (_, i) => Math.floor(i / 3)) };
    for (const key of keys) {
      const corner = randomCrop({ width: 2, height: 2 })(numbered, key).data[0]!;
      counts.set(corner, (counts.get(corner) ?? 0) + 1);
    }
    expect([...counts.keys()].sort((a, b) => a - b)).toEqual([0, 1, 2, 4, 5, 6]);
    for (const [corner, count] of counts) expect(Math.abs(count - 2000 / 6), `corner ${corner}`).toBeLessThan(70);
  });

  it("flip with the probability asked for", () => {
    const flipped = flipHorizontal(source).data.join();
    for (const probability of [0, 0.2, 0.5, 1]) {
      const count = keys.filter((key) => randomHorizontalFlip(probability)(source, key).data.join() === flipped).length;
      expect(Math.abs(count - 2000 * probability), `probability ${probability}`).toBeLessThanOrEqual(70);
    }
  });

  it("draw anew at each place of a pipeline", () => {
    const twice = compose(randomHorizontalFlip(), randomHorizontalFlip());
    const changed = keys.filter((key) => twice(source, key).data.join() !== source.data.join()).length;
    expect(changed).toBeGreaterThan(500); // none if both drew alike
    expect(changed).toBeLessThan(1500);
  });

  it("refuse to crop more than there is", () => {
    expect(() => randomCrop({ width: 10, height: 4 })(source, 1)).toThrow(
      expect.objectContaining({ code: "ARGUMENT_INVALID" }),
    );
  });
});

describe("colorJitter", () => {
  const coloured = { width: 2, height: 1, data: Uint8Array.of(200, 40, 90, 20, 220, 70) };

  it("applies the drawn factors in a drawn order, all orders about equally often", () => {
    const adjustments = [
      [adjustBrightness, 0],
      [adjustContrast, 1],
      [adjustSaturation, 2],
      [adjustHue, 3],
    ] as const;
    const transform = colorJitter({ brightness: 0.7, contrast: [0.2, 1.9], saturation: 0.9, hue: 0.3 });
    const ranges = [
      [1 - 0.7, 1 + 0.7],
      [0.2, 1.9],
      [1 - 0.9, 1 + 0.9],
      [-0.3, 0.3],
    ] as const;
    const counts = new Map<string, number>();
    for (const key of keys) {
      const order = permutation(4, key, 4);
      counts.set(order.join(), (counts.get(order.join()) ?? 0) + 1);
      const expected = [...order].reduce((image, i) => {
        const [from, to] = ranges[i]!;
        return adjustments[i]![0](image, from + (to - from) * uniformAt(key, i));
      }, source);
      expect(transform(source, key).data).toEqual(expected.data);
    }
    expect(counts.size).toBe(24);
    const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - 2000 / 24) ** 2 / (2000 / 24), 0);
    expect(chiSquare).toBeLessThan(49.7); // 23 degrees of freedom: exceeded once in a thousand
  });

  it("leaves out what has no range, so that nothing is lost by way of another colour space", () => {
    const still = colorJitter({ brightness: 0, hue: 0, contrast: [1, 1] });
    expect(still(coloured, 1).data).toEqual(coloured.data);
  });

  it("refuses ranges that make no sense", () => {
    for (const options of [{ brightness: -0.1 }, { contrast: [1, 0.5] as const }, { hue: 0.6 }, { hue: -0.1 }]) {
      expect(() => colorJitter(options)).toThrow(expect.objectContaining({ code: "ARGUMENT_INVALID" }));
    }
  });
});

describe("randomGrayscale and randomVerticalFlip", () => {
  it("happen with the probability asked for", () => {
    const coloured = { width: 1, height: 1, data: Uint8Array.of(200, 40, 90) };
    const grey = keys.filter((key) => randomGrayscale(0.2)(coloured, key).data[0] !== 200).length;
    expect(Math.abs(grey - 400)).toBeLessThan(72); // four deviations of the binomial
    const turned = keys.filter((key) => randomVerticalFlip()(source, key) !== source).length;
    expect(Math.abs(turned - 1000)).toBeLessThan(90);
  });
});

describe("a pipeline", () => {
  it("pads before it crops, as is usual for small pictures", () => {
    const margins = { left: 2, top: 2, right: 2, bottom: 2 };
    const transform = compose(padBy(margins, "reflect"), randomCrop({ width: 9, height: 8 }));
    const results = keys.slice(0, 300).map((key) => transform(source, key).data.join());
    expect(new Set(results).size).toBe(25); // five places each way
  });

  it("resizes and crops one after another", () => {
    const transform = compose(
      resizeShortestEdgeTo(8, "bilinear"),
      centerCropTo({ width: 6, height: 7 }),
      resizeTo({ width: 3, height: 2 }, "box"),
    );
    expect(transform(plain(32, 16, 9), 0)).toEqual(plain(3, 2, 9));
  });
});
