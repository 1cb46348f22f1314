import { describe, expect, it } from "vitest";
import { type AffineFilter, type AffineMatrix, rotate, transformAffine } from "../../src/data/affine.js";
import { flipVertical, type ImagePadMode, pad } from "../../src/data/geometry.js";
import type { Rgb } from "../../src/data/image.js";
import { casesOf, differences, pictureOf, readFixture } from "./fixtures.js";

interface Case {
  name: string;
  op: "affine" | "rotate" | "pad" | "flipVertical";
  source: string;
  matrix: AffineMatrix;
  degrees: number;
  filter: AffineFilter;
  fill: Rgb;
  margins: [number, number, number, number];
  mode: ImagePadMode;
}

const fixture = readFixture("augmentations/geometry.safetensors");
const casesFor = (op: Case["op"]) => casesOf<Case>(fixture).filter((one) => one.op === op);
const expected = (name: string) => pictureOf(fixture, name);
const source = ({ source: name }: Case) => pictureOf(fixture, `source.${name}`);

describe("transformAffine", () => {
  it.each(casesFor("affine").map((one) => [`${one.filter}, ${one.source}, [${one.matrix}]`, one] as const))(
    "equals Pillow's bits: %s",
    (_, one) => {
      const result = transformAffine(source(one), one.matrix, one.filter, one.fill);
      expect(differences(result.data, expected(one.name).data)).toBe("");
    },
  );
});

describe("rotate", () => {
  it.each(casesFor("rotate").map((one) => [`${one.degrees} degrees, ${one.filter}, ${one.source}`, one] as const))(
    "equals Pillow's bits: %s",
    (_, one) => {
      const result = rotate(source(one), one.degrees, one.filter, one.fill);
      expect(differences(result.data, expected(one.name).data)).toBe("");
    },
  );
});

describe("pad", () => {
  it.each(casesFor("pad").map((one) => [`${one.mode}, ${one.source}, by ${one.margins}`, one] as const))(
    "equals torchvision's: %s",
    (_, one) => {
      const [left, top, right, bottom] = one.margins;
      const result = pad(source(one), { left, top, right, bottom }, one.mode, one.fill);
      const { width, height, data } = expected(one.name);
      expect([result.width, result.height]).toEqual([width, height]);
      expect(differences(result.data, data)).toBe("");
    },
  );

  it("refuses margins that are negative or not whole", () => {
    for (const left of [-1, 0.5]) {
      expect(() => pad(pictureOf(fixture, "source.tiny"), { left, top: 0, right: 0, bottom: 0 })).toThrow(
        expect.objectContaining({ code: "ARGUMENT_INVALID" }),
      );
    }
  });
});

it("flipVertical turns upside down as torchvision does", () => {
  const [one] = casesFor("flipVertical");
  expect(differences(flipVertical(source(one!)).data, expected(one!.name).data)).toBe("");
});
