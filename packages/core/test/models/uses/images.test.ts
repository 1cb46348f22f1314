import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
  CLIPModel,
  CLIPTextModel,
  CLIPVisionModel,
  embedImage,
  embedText,
  type ImageProcessor,
  loadTokenizer,
  parseCLIPConfig,
  parseViTConfig,
  type RgbImage,
  readImageProcessor,
  useEngine,
  ViTModel,
} from "../../../src/index.js";
import { FIXTURES } from "../../fixtures.js";
import { newFolder } from "../changedFolder.js";

const SMALL = { hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 16 };
const VISION = { ...SMALL, image_size: 224, patch_size: 56 };
const images: RgbImage[] = [0, 1].map((seed) => ({
  width: 20,
  height: 12,
  data: Uint8Array.from({ length: 20 * 12 * 3 }, (_, i) => (i * (7 + seed)) % 256),
}));
let processor: ImageProcessor;

beforeAll(async () => {
  await useEngine("compiled", { threads: 2 });
  const folder = newFolder();
  await writeFile(join(folder, "preprocessor_config.json"), "{}");
  processor = await readImageProcessor(folder);
});

const pixels = (image: RgbImage) => ({
  pixelValues: { data: processor.process(image), shape: [1, 3, 224, 224], dtype: "float32" as const },
});

describe("a picture model's vectors in one call", () => {
  it("are CLIP's in the shared space, whichever of its classes is loaded, and may be compared with those of texts", async () => {
    const tokenizer = await loadTokenizer(join(FIXTURES, "tokenizers", "clip"));
    const text = { ...SMALL, vocab_size: tokenizer.size, eos_token_id: tokenizer.specialId("eos") };
    const json = { model_type: "clip", projection_dim: 8, text_config: text, vision_config: VISION };
    const clip = new CLIPModel(parseCLIPConfig(json, "test"));
    const folder = await newFolder();
    await clip.savePretrained(folder);
    const vision = await CLIPVisionModel.fromPretrained(folder);
    const vectors = await embedImage(vision, images, { processor, normalize: false });
    for (const [i, image] of images.entries()) {
      const { logits } = await vision(pixels(image));
      for (const [at, x] of (await logits.data()).entries()) expect(vectors[i]![at]).toBeCloseTo(x, 5);
    }
    const [ours] = await embedImage(clip, [images[0]!], { processor });
    expect(Math.hypot(...ours!)).toBeCloseTo(1, 5);
    const texts = ["a small picture", "nothing"];
    const words = await embedText(clip, texts, { tokenizer });
    const own = await embedText(await CLIPTextModel.fromPretrained(folder), texts, { tokenizer });
    for (const [i, vector] of words.entries()) {
      for (const [at, x] of vector.entries()) expect(own[i]![at]).toBeCloseTo(x, 5);
    }
    const { logits } = await clip({ ...pixels(images[0]!), ...tokenizer.encode(texts) });
    const cosines = words.map((vector) => vector.reduce((sum, x, at) => sum + x * ours![at]!, 0));
    for (const [i, x] of (await logits.data()).entries()) {
      expect(cosines[i]! * Math.exp(clip.config.logitScaleInitValue)).toBeCloseTo(x, 4);
    }
  });

  it("are the class token of a vision transformer", async () => {
    const model = new ViTModel(parseViTConfig(VISION, "test"), { seed: 0, pooler: false });
    const [first, second] = await embedImage(model, images, { processor });
    expect(first).toHaveLength(16);
    const [alone] = await embedImage(model, [images[1]!], { processor });
    for (const [at, x] of alone!.entries()) expect(second![at]).toBeCloseTo(x, 5);
    await expect(embedImage(model, [], { processor })).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
  });
});
