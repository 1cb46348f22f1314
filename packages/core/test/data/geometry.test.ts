import { describe, expect, it } from "vitest";
import { type CenterRule, centerCrop, crop, flipHorizontal, resizeShortestEdge } from "../../src/data/geometry.js";
import { casesOf, differences, pictureOf, plain, readFixture } from "./fixtures.js";

const fixture = readFixture("crop.safetensors");
const source = pictureOf(fixture, "source");

describe("centerCrop", () => {
  it.each(casesOf<{ name: string; width: number; height: number; rule: CenterRule }>(fixture))(
    "cuts $width x $height out of 9 x 8 as $rule does",
    ({ name, width, height, rule }) => {
      expect(differences(centerCrop(source, { width, height }, rule).data, pictureOf(fixture, name).data)).toBe("");
    },
  );
});

describe("crop", () => {
  it("takes the rows and columns asked for", () => {
    const part = crop(source, { left: 2, top: 3, width: 4, height: 2 });
    for (let y = 0; y < 2; y++) {
      const row = (3 + y) * 9 + 2;
      expect(part.data.subarray(y * 12, y * 12 + 12)).toEqual(source.data.subarray(row * 3, (row + 4) * 3));
    }
  });

  it("refuses to leave the picture", () => {
    const invalid = expect.objectContaining({ code: "ARGUMENT_INVALID" });
    expect(() => crop(source, { left: 6, top: 0, width: 4, height: 2 })).toThrow(invalid);
    expect(() => crop(source, { left: -1, top: 0, width: 4, height: 2 })).toThrow(invalid);
    expect(() => crop(source, { left: 0, top: 0, width: 0, height: 2 })).toThrow(invalid);
  });
});

describe("resizeShortestEdge", () => {
  it("rounds the longer side down", () => {
    const sizes = (width: number, height: number) => {
      const result = resizeShortestEdge(plain(width, height), 10, "box");
      return [result.width, result.height];
    };
    expect(sizes(30, 20)).toEqual([15, 10]);
    expect(sizes(17, 12)).toEqual([14, 10]);
    expect(sizes(12, 17)).toEqual([10, 14]);
    expect(sizes(8, 8)).toEqual([10, 10]);
  });
});

describe("flipHorizontal", () => {
  it("mirrors each row, and twice is nothing", () => {
    const flipped = flipHorizontal(source);
    expect(flipped.data.subarray(0, 3)).toEqual(source.data.subarray(24, 27));
    expect(flipHorizontal(flipped)).toEqual(source);
  });
});
