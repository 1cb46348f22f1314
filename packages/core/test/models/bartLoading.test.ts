import { mkdtempSync } from "node:fs";
import { readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
  BartForConditionalGeneration,
  BartForSequenceClassification,
  BottleneckConfig,
  getPeftModel,
  type HostModel,
  type HostTensor,
  LoraConfig,
  parseGenerationConfig,
  readSafetensors,
  toFloat16,
  useEngine,
} from "../../src/index.js";
import { readFixture, relativeError } from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";
import { changed, inHalf } from "./seq2seqSupport.js";

const GENERATION = join(FIXTURES, "bart", "generation");
const CLASSIFICATION = join(FIXTURES, "bart", "classification");
const load = BartForConditionalGeneration.fromPretrained;
const classifier = BartForSequenceClassification.fromPretrained;
const { input } = readFixture(join(FIXTURES, "bart"), "generation");
const logits = async (model: HostModel, inputs: object = { labels: input("labels") }): Promise<Float32Array> => {
  const output = await model({ inputIds: input("inputIds"), attentionMask: input("attentionMask"), ...inputs });
  return (await output.logits.data()) as Float32Array;
};
const coded = (code: string, details: object = {}) =>
  expect.objectContaining({
    code,
    ...(Object.keys(details).length > 0 && { details: expect.objectContaining(details) }),
  });
const copyOf = ({ dtype, shape, data }: HostTensor): HostTensor => ({ dtype, shape, data: data.slice() }) as HostTensor;
const bareNames = (tensors: Map<string, HostTensor>) =>
  new Map([...tensors].map(([name, tensor]) => [name.replace(/^model\./, ""), tensor]));

beforeAll(async () => {
  await useEngine("compiled", { threads: 2 });
});

describe("a BART's folder", () => {
  it("is read alike without the prefix, and with copies of the shared matrix", async () => {
    const wanted = await logits(await load(GENERATION));
    expect(await logits(await load(await changed(GENERATION, bareNames)))).toEqual(wanted);
    const withCopies = await changed(GENERATION, (tensors) => {
      const shared = tensors.get("model.shared.weight")!;
      for (const name of ["model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "lm_head.weight"]) {
        tensors.set(name, copyOf(shared));
      }
      return tensors;
    });
    expect(await logits(await load(withCopies))).toEqual(wanted);
  });

  it("is read alike with the versions that old files hold", async () => {
    const old = await changed(GENERATION, (tensors) => {
      const version: HostTensor = { dtype: "float32", shape: [1], data: Float32Array.of(3) };
      return new Map([...tensors, ["model.encoder.version", version], ["decoder.version", version]]);
    });
    expect(await logits(await load(old))).toEqual(await logits(await load(GENERATION)));
  });

  it("adds nothing to the logits where the file does not say what", async () => {
    const bias = (await readSafetensors(join(GENERATION, "model.safetensors"))).get("final_logits_bias")!;
    const without = await changed(GENERATION, (tensors) => {
      tensors.delete("final_logits_bias");
      return tensors;
    });
    const [more, less] = [await logits(await load(GENERATION)), await logits(await load(without))];
    const difference = more.map((x, i) => x - less[i]!);
    const wanted = more.map((_, i) => bias.data[i % 35] as number);
    expect(relativeError(difference, wanted)).toBeLessThan(1e-5);
    const wrong = await changed(GENERATION, (tensors) =>
      tensors.set("final_logits_bias", { dtype: "float32", shape: [1, 34], data: new Float32Array(34) }),
    );
    await expect(load(wrong)).rejects.toThrow(coded("KEY_MISMATCH"));
  });

  it("holds the tokens that Python's generate needs, where the model was made from a config and where it was read", async () => {
    const made = new BartForConditionalGeneration((await load(GENERATION)).config);
    for (const model of [made, await load(GENERATION)]) {
      const folder = mkdtempSync(join(tmpdir(), "peft-"));
      await model.savePretrained(folder);
      const written = JSON.parse(await readFile(join(folder, "generation_config.json"), "utf8"));
      expect(written).toEqual({
        pad_token_id: 1,
        bos_token_id: 0,
        decoder_start_token_id: 2,
        forced_eos_token_id: 2,
        eos_token_id: 2,
      });
    }
  });

  it("may force its tokens as old files and as those of transformers 5 say it", async () => {
    const old = { force_bos_token_to_be_generated: true, bos_token_id: 3 };
    expect(parseGenerationConfig(old, "old")).toMatchObject({ bosTokenId: 3, forcedBosTokenId: 3 });
    const folder = await changed(GENERATION, (tensors) => tensors, { ...old, forced_eos_token_id: [2] });
    await rm(join(folder, "generation_config.json"));
    const model = await load(folder);
    expect(model.config.forcedEosTokenId).toBe(2);
    expect(model.generationConfig).toMatchObject({ forcedBosTokenId: 3, forcedEosTokenId: 2 });
    const several = { forced_eos_token_id: [2, 3] };
    expect(() => parseGenerationConfig(several, "several")).toThrow(coded("CONFIG_INVALID"));
  });

  it("is widened from half precision", async () => {
    const wanted = await logits(await load(GENERATION));
    const found = await logits(await load(await changed(GENERATION, inHalf("float16", toFloat16))));
    expect(relativeError(found, wanted)).toBeLessThan(2e-3);
  });

  it("is refused where a name is unknown or missing, and where it is a classifier's", async () => {
    const folder = await changed(GENERATION, (tensors) => {
      tensors.set("model.decoder.stranger", tensors.get("model.decoder.layers.0.fc1.bias")!);
      tensors.delete("model.decoder.layers.0.fc1.bias");
      return tensors;
    });
    const details = {
      missing: ["model.decoder.layers.0.fc1.bias"],
      unexpected: ["model.decoder.stranger"],
    };
    await expect(load(folder)).rejects.toThrow(coded("KEY_MISMATCH", details));
    await expect(load(CLASSIFICATION)).rejects.toThrow(
      coded("KEY_MISMATCH", { unexpected: expect.arrayContaining(["classification_head.dense.weight"]) }),
    );
    await expect(load(GENERATION, { dropout: { hidden: 1 } })).rejects.toThrow(/dropout.hidden/);
  });

  it("gives a classifier with a new head where labels are given, and keeps the file's where they are its own", async () => {
    await expect(classifier(GENERATION)).rejects.toThrow(/give labels/);
    const fresh = await classifier(GENERATION, { labels: ["no", "yes"] });
    expect(await logits(fresh, {})).toHaveLength(6);
    const own = await logits(await classifier(CLASSIFICATION), {});
    const labels = ["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3"];
    expect(await logits(await classifier(CLASSIFICATION, { labels }), {})).toEqual(own);
    expect(await logits(await classifier(CLASSIFICATION, { labels: ["a", "b", "c", "d"] }), {})).not.toEqual(own);
    await expect(classifier(CLASSIFICATION, { labels: [] })).rejects.toThrow(coded("ARGUMENT_INVALID"));
  });

  it.each([
    ["text to text", GENERATION, load],
    ["classifier", CLASSIFICATION, classifier],
  ])("is written as it was read: tensors, config, settings of generation (%s)", async (_, source, open) => {
    const folder = join(mkdtempSync(join(tmpdir(), "peft-")), "new");
    const model: HostModel = await open(source);
    await model.savePretrained(folder);
    expect(await readdir(folder)).toEqual(await readdir(source));
    expect(await readSafetensors(join(folder, "model.safetensors"))).toEqual(
      await readSafetensors(join(source, "model.safetensors")),
    );
    const read = async (at: string, file: string) => JSON.parse(await readFile(join(at, file), "utf8"));
    for (const file of (await readdir(folder)).filter((name) => name.endsWith(".json"))) {
      const original = await read(source, file);
      for (const [key, value] of Object.entries(await read(folder, file))) {
        expect(value ?? undefined, key).toEqual(original[key] ?? undefined);
      }
    }
    const again: HostModel = await open(folder);
    // The fixture's labels are tokens.
    const inputs = source === CLASSIFICATION ? {} : undefined;
    expect(await logits(again, inputs)).toEqual(await logits(model, inputs));
  });
});

describe("BART with adapters", () => {
  it("has LoRA on q_proj and v_proj where nothing else is said", async () => {
    const model = getPeftModel(await load(GENERATION), new LoraConfig({ r: 2 }));
    const keys = [...model.trainableParameters().keys()].filter((key) => key.includes("lora_A"));
    expect(keys).toHaveLength(2 * (2 + 2 * 3));
    expect(keys.every((key) => /\.[qv]_proj\.lora_A/.test(key))).toBe(true);
  });

  it("has places for bottleneck adapters at the sums before its norms", async () => {
    const host = await load(GENERATION);
    const before = await logits(host);
    const model = getPeftModel(host, new BottleneckConfig({ style: "houlsby", bottleneck: 2 }));
    const keys = [...model.trainableParameters().keys()];
    expect(new Set(keys.map((key) => key.replace(/\.[^.]*\.(weight|bias)$/, ""))).size).toBe(10);
    expect(relativeError(await logits(host), before)).toBeLessThan(1e-6);
  });

  it("trains a classifier's head along with LoRA", async () => {
    const model = getPeftModel(await classifier(CLASSIFICATION), new LoraConfig({ r: 2 }));
    const keys = [...model.trainableParameters().keys()];
    expect(keys.filter((key) => key.includes("classification_head"))).toHaveLength(4);
  });
});
