// The examples of the README's sections "In one call" and "Functions of your own" are run as they stand there, the models
// small ones in the folders they name.

import { copyFile, cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import wavefile from "wavefile";
import * as core from "../src/index.js";
import { FIXTURES } from "./fixtures.js";
import { newFolder } from "./models/changedFolder.js";

const readme = await readFile(join(import.meta.dirname, "../README.md"), "utf8");
const examplesOf = (title: string): string[] => {
  const section = new RegExp(`\\n### ${title}\\n(.*?)\\n##+ `, "s").exec(readme)![1]!;
  return [...section.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code!);
};
const examples = examplesOf("In one call");

const LABELS = { id2label: { 0: "one", 1: "two", 2: "three" } };
const SMALL = { hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 16 };
const VISION = { ...SMALL, image_size: 224, patch_size: 56 };
const AsyncFunction = (async () => {}).constructor as new (
  ...args: string[]
) => (...args: unknown[]) => Promise<object>;

let home: string;

async function withTokenizer(folder: string, name: string): Promise<number> {
  await mkdir(folder, { recursive: true });
  await cp(join(FIXTURES, "tokenizers", name), folder, { recursive: true });
  return (await core.loadTokenizer(folder)).size;
}

beforeAll(async () => {
  home = process.cwd();
  process.chdir(newFolder());
  await core.useEngine("compiled", { threads: 2 });
  await copyFile(join(FIXTURES, "data/decode/rgb.png"), "cat.png");
  const wav = new wavefile.WaveFile();
  wav.fromScratch(
    1,
    8000,
    "16",
    Float32Array.from({ length: 4000 }, (_, i) => Math.round(9000 * Math.sin(i / 3))),
  );
  await writeFile("rain.wav", wav.toBuffer());

  await new core.ViTForImageClassification(core.parseViTConfig({ ...VISION, ...LABELS }, "vit")).savePretrained("vit");
  await writeFile("vit/preprocessor_config.json", "{}");
  const sound = { max_length: 60, num_mel_bins: 32 };
  await new core.ASTForAudioClassification(
    core.parseASTConfig({ ...SMALL, ...sound, ...LABELS }, "ast"),
  ).savePretrained("ast");
  await writeFile("ast/preprocessor_config.json", JSON.stringify(sound));
  const bert = { ...SMALL, vocab_size: await withTokenizer("bert", "bert-uncased"), max_position_embeddings: 64 };
  await new core.BertForMaskedLM(core.parseBertConfig(bert, "bert")).savePretrained("bert");
  const roberta = { ...SMALL, vocab_size: await withTokenizer("roberta", "roberta"), max_position_embeddings: 64 };
  await new core.RobertaForMaskedLM(core.parseRobertaConfig(roberta, "roberta")).savePretrained("roberta");
  const heads = { encoder_attention_heads: 2, decoder_attention_heads: 2, encoder_layers: 1, decoder_layers: 1 };
  const bart = { ...heads, d_model: 16, encoder_ffn_dim: 16, decoder_ffn_dim: 16, max_position_embeddings: 64 };
  const vocab_size = await withTokenizer("bart", "roberta");
  await new core.BartForConditionalGeneration(core.parseBartConfig({ ...bart, vocab_size }, "bart")).savePretrained(
    "bart",
  );
  const clip = { model_type: "clip", projection_dim: 8, text_config: SMALL, vision_config: VISION };
  await new core.CLIPModel(core.parseCLIPConfig(clip, "clip")).savePretrained("clip");
  await writeFile("clip/processor_config.json", '{"image_processor": {"image_processor_type": "CLIPImageProcessor"}}');
});
afterAll(() => process.chdir(home));

describe("the README's examples of models in one call", () => {
  it("are there for every function of the kind", () => {
    const functions = Object.keys(core).filter((name) => /^(classify|embed|fill|generate)[A-Z]/.test(name));
    const used = examples.map((code) => /await (\w+)\(model/.exec(code)![1]!);
    expect(used.sort()).toEqual(functions.sort());
  });

  it.each(examples.map((code) => [/await (\w+)\(model/.exec(code)![1]!, code] as const))("%s", async (name, code) => {
    const [, found] = /const \[+(\w+)[^=]*\]+ = await \w+\(model/.exec(code)!;
    const run = new AsyncFunction(...Object.keys(core), `${code}\nreturn ${found};`);
    const result = await run(...Object.values(core));
    if (name.startsWith("embed")) expect(Math.hypot(...(result as Float32Array))).toBeCloseTo(1, 5);
    else if (name === "generateText") expect(result).toBeTypeOf("string");
    else expect((result as { score: number }[])[0]!.score).toBeGreaterThan(0);
  });
});

it("the README's function of one's own computes a loss and moves its parameter", async () => {
  const [code] = examplesOf("Functions of your own");
  const names = { ...core, tf };
  const run = new AsyncFunction(...Object.keys(names), `${code}\nreturn { loss, weight };`);
  const { loss, weight } = (await run(...Object.values(names))) as { loss: tf.Tensor; weight: core.Parameter };
  expect((await loss.data())[0]).toBeGreaterThan(0);
  expect([...(await weight.read())]).not.toEqual([...Float32Array.of(0.1, 0.2, 0.3)]);
});
