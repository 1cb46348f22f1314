import { describe, expect, it } from "vitest";
import { type Box, type ResizeFilter, resize } from "../../src/data/resize.js";
import { casesOf, differences, pictureOf, plain, readFixture } from "./fixtures.js";

interface Case {
  name: string;
  filter: ResizeFilter;
  width: number;
  height: number;
  box: Box | null;
}

const fixture = readFixture("resize.safetensors");
const source = pictureOf(fixture, "source");

describe("resize", () => {
  it.each(
    casesOf<Case>(fixture).map((one) => [`${one.filter} to ${one.width}x${one.height}, box ${one.box}`, one] as const),
  )("equals Pillow's bits: %s", (_, { name, filter, width, height, box }) => {
    const result = resize(source, { width, height }, filter, box ?? undefined);
    expect([result.width, result.height]).toEqual([width, height]);
    expect(differences(result.data, pictureOf(fixture, name).data)).toBe("");
  });

  it("keeps a plain picture plain at any size", () => {
    for (const filter of ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] as const) {
      const result = resize(plain(7, 5, 201), { width: 13, height: 2 }, filter);
      expect(differences(result.data, plain(13, 2, 201).data)).toBe("");
    }
  });

  it("gives a copy where nothing is to be done, so that the result can be changed", () => {
    const result = resize(source, source, "bicubic");
    expect(result.data).toEqual(source.data);
    expect(result.data.buffer).not.toBe(source.data.buffer);
  });

  it("refuses sizes that are not positive and boxes beyond the picture", () => {
    const invalid = expect.objectContaining({ code: "ARGUMENT_INVALID" });
    expect(() => resize(source, { width: 0, height: 4 }, "box")).toThrow(invalid);
    expect(() => resize(source, { width: 4, height: 2.5 }, "box")).toThrow(invalid);
    expect(() => resize(source, { width: 4, height: 4 }, "box", [0, 0, 38, 10])).toThrow(invalid);
    expect(() => resize(source, { width: 4, height: 4 }, "box", [5, 5, 5, 10])).toThrow(invalid);
  });
});
