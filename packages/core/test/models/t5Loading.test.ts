import { mkdtempSync } from "node:fs";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import {
  BottleneckConfig,
  compile,
  env,
  getPeftModel,
  gradients,
  type HostTensor,
  inCheckpointing,
  inTraining,
  LoraConfig,
  parseGenerationConfig,
  parseT5Config,
  readSafetensors,
  T5ForConditionalGeneration,
  toBFloat16,
  toFloat16,
  useEngine,
  writeSafetensors,
} from "../../src/index.js";
import { readFixture, relativeError } from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";
import { changed, inHalf } from "./seq2seqSupport.js";

const V10 = join(FIXTURES, "t5", "v1.0");
const V11 = join(FIXTURES, "t5", "v1.1");
const load = T5ForConditionalGeneration.fromPretrained;
const { input } = readFixture(join(FIXTURES, "t5"), "v1.0");
const batch = () => ({
  inputIds: input("inputIds"),
  attentionMask: input("attentionMask"),
  labels: input("labels"),
});
const logits = async (model: T5ForConditionalGeneration): Promise<Float32Array> =>
  (await (await model(batch())).logits.data()) as Float32Array;
const coded = (code: string, details: object = {}) =>
  expect.objectContaining({
    code,
    ...(Object.keys(details).length > 0 && { details: expect.objectContaining(details) }),
  });
const copyOf = ({ dtype, shape, data }: HostTensor): HostTensor => ({ dtype, shape, data: data.slice() }) as HostTensor;

beforeAll(async () => {
  await useEngine("compiled", { threads: 2 });
});

describe("a T5's folder", () => {
  it("is read alike with the copies of the shared matrix that old files have, and without the matrix's own name", async () => {
    const wanted = await logits(await load(V10));
    const copies = ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"];
    const idle = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight";
    const withCopies = await changed(V10, (tensors) => {
      const shared = tensors.get("shared.weight")!;
      for (const name of copies) tensors.set(name, copyOf(shared));
      return tensors.set(idle, { dtype: "float32", shape: [32, 3], data: new Float32Array(96) });
    });
    const model = await load(withCopies);
    expect(model.lm_head).toBeUndefined();
    expect(await logits(model)).toEqual(wanted);
    const renamed = await changed(V10, (tensors) => {
      tensors.set("encoder.embed_tokens.weight", tensors.get("shared.weight")!);
      tensors.delete("shared.weight");
      return tensors;
    });
    expect(await logits(await load(renamed))).toEqual(wanted);
  });

  it("decides by what it holds whether the head is tied, and by its config whether the output is scaled", async () => {
    const own = await changed(V10, (tensors) => {
      const head = copyOf(tensors.get("shared.weight")!);
      head.data[0] = 1;
      return tensors.set("lm_head.weight", head);
    });
    expect((await load(own)).config).toMatchObject({ tieWordEmbeddings: false, scaleDecoderOutputs: true });
    const same = (tensors: Map<string, HostTensor>) => tensors;
    expect((await load(V11)).config).toMatchObject({ tieWordEmbeddings: false, scaleDecoderOutputs: false });
    const ofFive = await changed(V11, same, { tie_word_embeddings: true, scale_decoder_outputs: false });
    expect((await load(ofFive)).config).toMatchObject({ tieWordEmbeddings: false, scaleDecoderOutputs: false });
    const headless = (tensors: Map<string, HostTensor>) => {
      tensors.delete("lm_head.weight");
      return tensors;
    };
    const tied = await changed(V11, headless, { tie_word_embeddings: true, scale_decoder_outputs: false });
    expect((await load(tied)).config).toMatchObject({ tieWordEmbeddings: true, scaleDecoderOutputs: false });
    const lost = await changed(V11, headless, { tie_word_embeddings: false, scale_decoder_outputs: undefined });
    await expect(load(lost)).rejects.toThrow(coded("KEY_MISMATCH", { missing: ["lm_head.weight"] }));
  });

  it("is widened from half precision", async () => {
    const wanted = await logits(await load(V10));
    for (const [dtype, cast, bound] of [
      ["float16", toFloat16, 1e-3],
      ["bfloat16", toBFloat16, 2e-2],
    ] as const) {
      const found = await logits(await load(await changed(V10, inHalf(dtype, cast))));
      expect(relativeError(found, wanted)).toBeLessThan(bound);
      expect(found).not.toEqual(wanted);
    }
  });

  it("is read from shards", async () => {
    const tensors = [...(await readSafetensors(join(V10, "model.safetensors")))];
    const folder = await changed(V10, (all) => all);
    const parts = [tensors.slice(0, 20), tensors.slice(20)];
    const weightMap: Record<string, string> = {};
    for (const [i, part] of parts.entries()) {
      const file = `model-0000${i + 1}-of-00002.safetensors`;
      await writeSafetensors(join(folder, file), new Map(part));
      for (const [name] of part) weightMap[name] = file;
    }
    await writeFile(
      join(folder, "model.safetensors.index.json"),
      JSON.stringify({ metadata: { total_size: 0 }, weight_map: weightMap }),
    );
    await rm(join(folder, "model.safetensors"));
    expect(await logits(await load(folder))).toEqual(await logits(await load(V10)));
  });

  it("is refused where a name is unknown, a tensor is missing or has another shape, or the config is another model's", async () => {
    const folder = await changed(V10, (tensors) => {
      tensors.set("decoder.stranger.weight", tensors.get("encoder.final_layer_norm.weight")!);
      tensors.delete("encoder.final_layer_norm.weight");
      return tensors.set("decoder.final_layer_norm.weight", {
        dtype: "float32",
        shape: [8],
        data: new Float32Array(8),
      });
    });
    const details = {
      missing: ["encoder.final_layer_norm.weight"],
      unexpected: ["decoder.stranger.weight"],
      misshapen: [{ name: "decoder.final_layer_norm.weight", expected: [16], found: [8] }],
    };
    await expect(load(folder)).rejects.toThrow(coded("KEY_MISMATCH", details));
    const config = (fields: object) => changed(V10, (tensors) => tensors, fields);
    await expect(load(await config({ model_type: "mt5" }))).rejects.toThrow(coded("CONFIG_INVALID"));
    await expect(load(await config({ feed_forward_proj: "gated-snake" }))).rejects.toThrow(coded("CONFIG_INVALID"));
    await expect(load(await config({ num_layers: 3, num_decoder_layers: 3 }))).rejects.toThrow(coded("KEY_MISMATCH"));
    await expect(load("google-t5/t5-small")).rejects.toThrow(coded("HUB_ID"));
  });

  it.each([V10, V11])("is written as it was read: tensors, config, settings of generation (%s)", async (source) => {
    const folder = join(mkdtempSync(join(tmpdir(), "peft-")), "new");
    const model = await load(source);
    await model.savePretrained(folder);
    expect((await readdir(folder)).sort()).toEqual(["config.json", "generation_config.json", "model.safetensors"]);
    expect(await readSafetensors(join(folder, "model.safetensors"))).toEqual(
      await readSafetensors(join(source, "model.safetensors")),
    );
    const read = async (at: string, file: string) => JSON.parse(await readFile(join(at, file), "utf8"));
    for (const file of ["config.json", "generation_config.json"]) {
      const original = await read(source, file);
      for (const [key, value] of Object.entries(await read(folder, file))) expect(value, key).toEqual(original[key]);
    }
    const again = await load(folder);
    expect(again.config).toEqual(model.config);
    expect(again.generationConfig).toEqual(model.generationConfig);
    expect(again.nameOrPath).toBe(folder);
  });

  it("gives its settings of generation from config.json where there is no file of their own, and warns of others", async () => {
    const folder = mkdtempSync(join(tmpdir(), "peft-"));
    const json = JSON.parse(await readFile(join(V10, "config.json"), "utf8"));
    const settings = { num_beams: 4, early_stopping: true, no_repeat_ngram_size: 3, num_beam_groups: 1, min_p: 0.1 };
    await writeFile(join(folder, "config.json"), JSON.stringify({ ...json, ...settings }));
    await writeSafetensors(join(folder, "model.safetensors"), await readSafetensors(join(V10, "model.safetensors")));
    const warnings: string[] = [];
    const { warn } = env;
    env.warn = ({ message }) => warnings.push(message);
    const { generationConfig } = await load(folder);
    env.warn = warn;
    expect(generationConfig).toEqual({
      padTokenId: 0,
      eosTokenIds: [1],
      decoderStartTokenId: 0,
      numBeams: 4,
      earlyStopping: true,
      noRepeatNgramSize: 3,
    });
    expect(warnings).toEqual([expect.stringContaining("left out: min_p")]);
    await writeFile(join(folder, "generation_config.json"), JSON.stringify({ num_beams: -1 }));
    await expect(load(folder)).rejects.toThrow(coded("CONFIG_INVALID"));
  });

  it("holds the tokens that Python's generate needs, where the model was made from a config", async () => {
    const folder = mkdtempSync(join(tmpdir(), "peft-"));
    const model = new T5ForConditionalGeneration((await load(V11)).config);
    expect(model.generationConfig).toEqual({ padTokenId: 0, eosTokenIds: [1], decoderStartTokenId: 0 });
    await model.savePretrained(folder);
    const written = JSON.parse(await readFile(join(folder, "generation_config.json"), "utf8"));
    expect(written).toEqual({ pad_token_id: 0, eos_token_id: 1, decoder_start_token_id: 0 });
  });

  it("is warned of for each setting of generation that would change something, by its own measure", () => {
    const warnings: string[] = [];
    const { warn } = env;
    env.warn = ({ message }) => warnings.push(message);
    const nothing = {
      num_return_sequences: 1,
      guidance_scale: 1,
      min_p: 0,
      typical_p: 1,
      encoder_no_repeat_ngram_size: 0,
    };
    parseGenerationConfig({ ...nothing, bad_words_ids: null, renormalize_logits: false }, "test");
    expect(warnings).toEqual([]);
    const something = { num_return_sequences: 3, guidance_scale: 0, min_p: 1, encoder_no_repeat_ngram_size: 1 };
    parseGenerationConfig({ ...something, renormalize_logits: true, stop_strings: ["."] }, "test");
    env.warn = warn;
    expect(warnings).toHaveLength(1);
    for (const key of [...Object.keys(something), "renormalize_logits", "stop_strings"]) {
      expect(warnings[0]).toContain(key);
    }
  });
});

describe("T5 with adapters", () => {
  it("has LoRA on q and v where nothing else is said, and leaves a head of its own out of all-linear", async () => {
    const targets = (config: LoraConfig, host: T5ForConditionalGeneration) =>
      [...getPeftModel(host, config).trainableParameters().keys()].filter((key) => key.includes("lora_A"));
    const usual = targets(new LoraConfig({ r: 2 }), await load(V10));
    expect(usual).toHaveLength(2 * (2 + 2 * 3));
    expect(usual.every((key) => /\.[qv]\.lora_A/.test(key))).toBe(true);
    const all = targets(new LoraConfig({ r: 2, targetModules: "all-linear" }), await load(V11));
    expect(all).toHaveLength(2 * 7 + 2 * 11);
  });

  it("has a place for a bottleneck adapter at each sum of self-attention and feed-forward layers", async () => {
    for (const [style, count] of [
      ["adaptformer", 5],
      ["pfeiffer", 5],
      ["houlsby", 10],
    ] as const) {
      const host = await load(V10);
      const before = await logits(host);
      const model = getPeftModel(host, new BottleneckConfig({ style, bottleneck: 2 }));
      const keys = [...model.trainableParameters().keys()];
      expect(new Set(keys.map((key) => key.replace(/\.[^.]*\.(weight|bias)$/, ""))).size, style).toBe(count);
      const after = await logits(host);
      expect(relativeError(after, before), style).toBeLessThan(1e-6);
    }
  });

  it("has the number of trained parameters that PEFT's test of Poly counts on: 3 of q, 2 of wi_0 in a block each", async () => {
    const json = { d_model: 32, d_kv: 8, num_heads: 4, d_ff: 64, num_layers: 1, feed_forward_proj: "gated-gelu" };
    const host = new T5ForConditionalGeneration(parseT5Config(json, "test"));
    const model = getPeftModel(host, new LoraConfig({ r: 2, targetModules: ["q", "wi_0"] }));
    expect(model.getNbTrainableParameters().trainable).toBe(3 * 2 * (32 + 32) + 2 * 2 * (32 + 64));
  });
});

it("T5's gradients are the same, bit for bit, with its feed-forward layers checkpointed", async () => {
  const model = await load(await changed(V10, (tensors) => tensors, { dropout_rate: 0.1 }));
  const parameters = [...model.parameters().values()];
  const names = Object.keys(batch()) as (keyof ReturnType<typeof batch>)[];
  const step = (...tensors: Parameters<Parameters<typeof compile>[0]>) => {
    const inputs = Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));
    return inTraining(() => gradients(() => model.loss(model.forward(inputs), inputs), parameters)).gradients;
  };
  const run = async (fn: typeof step) => {
    const found = await compile(fn)(...names.map((name) => batch()[name]));
    return Promise.all(found.map((tensor) => tensor.data()));
  };
  expect(await run((...x) => inCheckpointing(() => step(...x)))).toEqual(await run(step));
});

it("T5's encoder takes vectors without positions behind those of tokens: their order changes nothing but their order", async () => {
  const model = await load(V10);
  const width = 16;
  const extra = Float32Array.from({ length: 3 * width }, (_, i) => Math.sin(i));
  const swapped = Float32Array.from([
    ...extra.slice(2 * width),
    ...extra.slice(width, 2 * width),
    ...extra.slice(0, width),
  ]);
  const ids = { data: Int32Array.of(5, 6, 7, 8), shape: [1, 4], dtype: "int32" as const };
  const encode = (positions: number | undefined) =>
    compile((tokens, vectors) => {
      const embedded = tf.concat([model.shared.forward(tokens!), vectors!], 1);
      return model.encodeEmbedded(embedded, { positions });
    });
  const run = async (positions: number | undefined, data: Float32Array) => {
    const found = await encode(positions)(ids, { data: data.slice(), shape: [1, 3, width], dtype: "float32" });
    return (await found.data()) as Float32Array;
  };
  const [one, other] = [await run(4, extra), await run(4, swapped)];
  expect(relativeError(other.slice(0, 4 * width), one.slice(0, 4 * width))).toBeLessThan(1e-5);
  expect(relativeError(other.slice(6 * width), one.slice(4 * width, 5 * width))).toBeLessThan(1e-5);
  const [numbered, renumbered] = [await run(undefined, extra), await run(undefined, swapped)];
  expect(relativeError(renumbered.slice(0, 4 * width), numbered.slice(0, 4 * width))).toBeGreaterThan(1e-4);
});
