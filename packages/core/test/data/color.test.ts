import { describe, expect, it } from "vitest";
import {
  adjustBrightness,
  adjustContrast,
  adjustHue,
  adjustSaturation,
  adjustSharpness,
  grayscale,
} from "../../src/data/color.js";
import type { RgbImage } from "../../src/data/image.js";
import { autoContrast, equalize, invert, posterize, solarize, solarizeAdd } from "../../src/data/levels.js";
import { casesOf, differences, pictureOf, plain, readFixture } from "./fixtures.js";

interface Case {
  name: string;
  op: string;
  source: string;
  value?: number;
}

const OPERATIONS: Record<string, (image: RgbImage, value: number) => RgbImage> = {
  brightness: adjustBrightness,
  contrast: adjustContrast,
  saturation: adjustSaturation,
  sharpness: adjustSharpness,
  hue: adjustHue,
  grayscale,
  invert,
  autoContrast,
  equalize,
  posterize,
  solarize,
  solarizeAdd,
};

const fixture = readFixture("augmentations/color.safetensors");
const cases = casesOf<Case>(fixture);

describe.each(Object.keys(OPERATIONS))("%s", (op) => {
  it.each(cases.filter((one) => one.op === op).map((one) => [`${one.source} ${one.value ?? ""}`, one] as const))(
    "equals Pillow's bits: %s",
    (_, { name, source, value }) => {
      const result = OPERATIONS[op]!(pictureOf(fixture, `source.${source}`), value ?? Number.NaN);
      expect(differences(result.data, pictureOf(fixture, name).data)).toBe("");
    },
  );
});

it("every kind of case in the fixture is compared", () => {
  expect(new Set(cases.map(({ op }) => op))).toEqual(new Set(Object.keys(OPERATIONS)));
});

it("the hue turns by half the circle at most", () => {
  expect(() => adjustHue(plain(1, 1), 0.6)).toThrow(expect.objectContaining({ code: "ARGUMENT_INVALID" }));
});

it("no operation changes the picture that it is given", () => {
  const source = pictureOf(fixture, "source.colourful");
  const before = source.data.slice();
  for (const operation of Object.values(OPERATIONS)) operation(source, 0.4).data.fill(1);
  for (const factor of [0, 1]) adjustBrightness(source, factor).data.fill(1);
  expect(source.data).toEqual(before);
});
