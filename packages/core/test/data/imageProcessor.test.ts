import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeImage, readImageProcessor } from "../../src/index.js";
import { casesOf, differences, fixturePath, pictureOf, readFixture } from "./fixtures.js";

const fixture = readFixture("processors.safetensors");

/** Every 7th row and column of [3, side, side]. */
function thinned(pixels: Float32Array, side: number): Float32Array {
  const channels = pixels.length / side / side;
  const kept = Array.from({ length: Math.ceil(side / 7) }, (_, i) => 7 * i);
  const places = Array.from({ length: channels }, (_, c) =>
    kept.flatMap((y) => kept.map((x) => (c * side + y) * side + x)),
  );
  return Float32Array.from(places.flat(), (i) => pixels[i]!);
}

describe("readImageProcessor", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "peft-processor-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each(casesOf<string>(fixture).flatMap((name) => ["wide", "upright"].map((picture) => [name, picture] as const)))(
    "gives the bits of transformers' PIL path: %s, the %s picture",
    async (name, picture) => {
      const processor = await readImageProcessor(fixturePath(`processors/${name}`));
      const made = processor.process(pictureOf(fixture, picture));
      const wanted = fixture.tensors.get(`${name}.${picture}`)!;
      const isWhole = name !== "clip-defaults";
      if (isWhole) expect([3, processor.size.height, processor.size.width]).toEqual(wanted.shape);
      const compared = isWhole ? made : thinned(made, 224);
      expect(differences(compared, wanted.data as Float32Array)).toBe("");
    },
  );

  it.each(["rgba.png", "palette.png", "grey.png", "grey16.png", "rgb16.png"])(
    "makes the same shape of %s as of a picture of three channels",
    async (name) => {
      const processor = await readImageProcessor(fixturePath("processors/clip"));
      expect(processor.process(await decodeImage(fixturePath(`decode/${name}`)))).toHaveLength(3 * 32 * 32);
    },
  );

  it("reads the part of processor_config.json that transformers 5 writes for CLIP, before the file of its own", async () => {
    const both = await mkdtemp(join(folder, "both-"));
    const clip = JSON.parse(await readFile(fixturePath("processors/clip/preprocessor_config.json"), "utf8"));
    const joint = { image_processor: clip, processor_class: "CLIPProcessor" };
    await writeFile(join(both, "processor_config.json"), JSON.stringify(joint));
    const wanted = fixture.tensors.get("clip.wide")!.data as Float32Array;
    const picture = pictureOf(fixture, "wide");
    expect(differences((await readImageProcessor(both)).process(picture), wanted)).toBe("");
    await writeFile(join(both, "preprocessor_config.json"), JSON.stringify({ size: 5 }));
    expect(differences((await readImageProcessor(both)).process(picture), wanted)).toBe("");
    await writeFile(join(both, "processor_config.json"), JSON.stringify({ processor_class: "CLIPProcessor" }));
    expect((await readImageProcessor(both)).size).toEqual({ width: 5, height: 5 });
    await writeFile(join(both, "processor_config.json"), JSON.stringify({ image_processor: { resample: 9 } }));
    await expect(readImageProcessor(both)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      place: expect.stringContaining("processor_config.json, image_processor"),
    });
  });

  it("names the files that say how pictures are prepared where there is neither", async () => {
    const none = await mkdtemp(join(folder, "none-"));
    const message = /no preprocessor_config\.json, and no processor_config\.json with "image_processor"/;
    await expect(readImageProcessor(none)).rejects.toMatchObject({
      code: "FILE_MISSING",
      place: none,
      message: expect.stringMatching(message),
    });
    await writeFile(join(none, "preprocessor_config.json"), "{}");
    expect((await readImageProcessor(none)).size).toEqual({ width: 224, height: 224 });
  });

  it("names the field of a file that it does not understand", async () => {
    const wrong: [string, object][] = [
      ["image_processor_type", { image_processor_type: "LayoutLMv2ImageProcessor" }],
      ["image_processor_type", { feature_extractor_type: "toString" }],
      ["size", { size: { shortest_edge: 224, longest_edge: 300 } }],
      ["size", { size: { shortest_edge: 224 } }],
      ["size", { image_processor_type: "CLIPImageProcessor", do_center_crop: false }],
      ["crop_size", { do_center_crop: true, crop_size: { height: 0, width: 4 } }],
      ["resample", { resample: 6 }],
    ];
    for (const [field, config] of wrong) {
      await writeFile(join(folder, "preprocessor_config.json"), JSON.stringify(config));
      const error = { code: "CONFIG_INVALID", message: expect.stringContaining(field) };
      await expect(readImageProcessor(folder), JSON.stringify(config)).rejects.toMatchObject(error);
    }
  });
});
