import { describe, expect, it } from "vitest";
import { flipHorizontal } from "../../src/data/geometry.js";
import { augmentationKey } from "../../src/data/random.js";
import {
  centerCropTo,
  compose,
  randomCrop,
  randomHorizontalFlip,
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

describe("a pipeline", () => {
  it("resizes and crops one after another", () => {
    const transform = compose(
      resizeShortestEdgeTo(8, "bilinear"),
      centerCropTo({ width: 6, height: 7 }),
      resizeTo({ width: 3, height: 2 }, "box"),
    );
    expect(transform(plain(32, 16, 9), 0)).toEqual(plain(3, 2, 9));
  });
});
