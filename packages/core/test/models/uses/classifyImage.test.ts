import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  classifyImage,
  decodeImage,
  parseViTConfig,
  readImageProcessor,
  useEngine,
  ViTForImageClassification,
} from "../../../src/index.js";

describe("naming what is in a picture", () => {
  let folder: string;
  let picture: string;

  beforeAll(async () => {
    await useEngine("compiled");
    folder = await mkdtemp(join(tmpdir(), "peft-classify-"));
    picture = join(folder, "picture.png");
    const raw = { width: 20, height: 12, channels: 3 as const };
    const pixels = Uint8Array.from({ length: 20 * 12 * 3 }, (_, i) => (i * 7) % 256);
    await sharp(pixels, { raw }).png().toFile(picture);
    const processor = { size: { height: 16, width: 16 }, resample: 3, image_mean: [0.4, 0.5, 0.6] };
    await writeFile(join(folder, "preprocessor_config.json"), JSON.stringify(processor));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const labels = ["ant", "bee", "cow"];
  const config = parseViTConfig(
    {
      hidden_size: 16,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      intermediate_size: 16,
      image_size: 16,
      patch_size: 8,
      id2label: Object.fromEntries(labels.map((label, i) => [i, label])),
    },
    "test",
  );

  it("gives the classes by falling probability, which add up to one", async () => {
    const model = new ViTForImageClassification(config);
    const [found] = await classifyImage(model, [picture], { processor: await readImageProcessor(folder), labels });
    expect(found!.map(({ label }) => label).sort()).toEqual(labels);
    expect(found!.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 12);
    expect(found![0]!.score).toBeGreaterThanOrEqual(found![1]!.score);
    model.dispose();
  });

  it("takes several pictures at once, as paths, bytes, and decoded, and as many classes as are asked for", async () => {
    const model = new ViTForImageClassification(config);
    const options = { processor: await readImageProcessor(folder), labels, topK: 2 };
    const [alone] = await classifyImage(model, [picture], options);
    const sources = [picture, await readFile(picture), await decodeImage(picture)];
    const together = await classifyImage(model, sources, options);
    expect(together.map((classes) => classes.map(({ label }) => label))).toEqual(
      sources.map(() => alone!.map(({ label }) => label)),
    );
    for (const classes of together) expect(classes[0]!.score).toBeCloseTo(alone![0]!.score, 5);
    await expect(classifyImage(model, [], options)).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    model.dispose();
  });

  it("wants a picture", async () => {
    const model = new ViTForImageClassification(config);
    const options = { processor: await readImageProcessor(folder), labels };
    const text = new TextEncoder().encode("no picture");
    await expect(classifyImage(model, [text], options)).rejects.toMatchObject({ code: "IMAGE_INVALID" });
    model.dispose();
  });

  it("prepares pictures as the file beside the model says", async () => {
    const read = await readImageProcessor(folder);
    expect(read.size).toEqual({ width: 16, height: 16 });
    expect(read.filter).toBe("bicubic");
    expect(read.normalization).toEqual({ mean: [0.4, 0.5, 0.6], std: [0.5, 0.5, 0.5], rescale: 1 / 255 });
    await writeFile(join(folder, "preprocessor_config.json"), '{"resample": "cubic"}');
    await expect(readImageProcessor(folder)).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });
});
