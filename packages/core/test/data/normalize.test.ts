import { describe, expect, it } from "vitest";
import { centerCrop, resizeShortestEdge } from "../../src/data/geometry.js";
import { HALF_NORMALIZATION, type Normalization, toFloatCHW } from "../../src/data/normalize.js";
import { resize } from "../../src/data/resize.js";
import { casesOf, differences, pictureOf, readFixture } from "./fixtures.js";

const fixture = readFixture("normalize.safetensors");
const levels = { width: 256, height: 1, data: Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3)) };

function numbersOf(name: string): Float32Array {
  return fixture.tensors.get(name)!.data as Float32Array;
}

describe("toFloatCHW", () => {
  it.each(casesOf<Normalization & { name: string }>(fixture))(
    "equals the bits of Python for all levels: $name, rescale $rescale",
    ({ name, mean, std, rescale }) => {
      expect(differences(toFloatCHW(levels, { mean, std, rescale }), numbersOf(name))).toBe("");
    },
  );

  it("makes of a resized picture what transformers' ViT image processor makes of it", () => {
    const image = resize(pictureOf(fixture, "source"), { width: 24, height: 24 }, "bilinear");
    expect(differences(toFloatCHW(image, HALF_NORMALIZATION), numbersOf("vit"))).toBe("");
  });

  it("makes of a resized and cropped picture what transformers' CLIP image processor makes of it", () => {
    const resized = resizeShortestEdge(pictureOf(fixture, "source"), 24, "bicubic");
    const image = centerCrop(resized, { width: 23, height: 23 }, "transformers");
    const mean = [0.48145466, 0.4578275, 0.40821073] as const;
    const std = [0.26862954, 0.26130258, 0.27577711] as const;
    expect(differences(toFloatCHW(image, { mean, std }), numbersOf("clip"))).toBe("");
  });

  it("refuses a standard deviation of zero", () => {
    expect(() => toFloatCHW(levels, { mean: [0, 0, 0], std: [1, 0, 1] })).toThrow(
      expect.objectContaining({ code: "ARGUMENT_INVALID" }),
    );
  });
});
