// What every host says of a folder that is not its own, or of inputs that its tables do not have.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
  ASTForAudioClassification,
  adamW,
  BartForConditionalGeneration,
  BartForSequenceClassification,
  type BatchSource,
  BertForSequenceClassification,
  BertModel,
  CLIPModel,
  CLIPTextModel,
  CLIPVisionModel,
  embedText,
  evaluate,
  generate,
  getPeftModel,
  type HostArray,
  type HostModel,
  LoraConfig,
  loadHost,
  loadTokenizer,
  RobertaForMaskedLM,
  SwinForImageClassification,
  T5ForConditionalGeneration,
  trainingStep,
  useEngine,
  ViTForImageClassification,
} from "../../src/index.js";
import { FIXTURES } from "../fixtures.js";
import { changed, newFolder } from "./changedFolder.js";

const coded = (code: string, details?: object) =>
  expect.objectContaining({ code, ...(details && { details: expect.objectContaining(details) }) });
const ids = (...data: number[]): HostArray => ({
  data: Int32Array.from(data),
  shape: [1, data.length],
  dtype: "int32",
});

const HOSTS: readonly [name: string, folder: string, load: (folder: string) => Promise<HostModel>][] = [
  ["ViT", "vit/tiny", ViTForImageClassification.fromPretrained],
  ["Swin", "swin/tiny", SwinForImageClassification.fromPretrained],
  ["AST", "ast/tiny", ASTForAudioClassification.fromPretrained],
  ["CLIP", "clip/joint", CLIPModel.fromPretrained],
  ["CLIP's text encoder", "clip/text", CLIPTextModel.fromPretrained],
  ["CLIP's vision encoder", "clip/vision-quick", CLIPVisionModel.fromPretrained],
  ["BERT", "bert/tiny-sequence", BertForSequenceClassification.fromPretrained],
  ["RoBERTa", "roberta/tiny-mlm", RobertaForMaskedLM.fromPretrained],
  ["BART", "bart/generation", BartForConditionalGeneration.fromPretrained],
  ["BART's classifier", "bart/classification", BartForSequenceClassification.fromPretrained],
  ["T5", "t5/v1.0", T5ForConditionalGeneration.fromPretrained],
];

beforeAll(async () => {
  await useEngine("compiled", { threads: 2 });
});

describe.each(HOSTS)("%s", (_, name, load) => {
  const source = join(FIXTURES, name);

  it("refuses the config of another model, and what is no config", async () => {
    const other = await changed(source, (tensors) => tensors, {
      model_type: "gpt2",
      architectures: ["GPT2LMHeadModel"],
    });
    await expect(load(other)).rejects.toThrow(/type "gpt2"/);
    for (const config of ["null", "[]", '"text"', "7"]) {
      const folder = await changed(source, (tensors) => tensors);
      await writeFile(join(folder, "config.json"), config);
      await expect(load(folder), config).rejects.toThrow(expect.objectContaining({ name: "PeftError" }));
    }
  });

  it("names the tensors that are missing, left over, or of another shape", async () => {
    const folder = await changed(source, (tensors) => {
      const [first, second] = [...tensors.keys()].filter((key) => /layer.*\d.*weight$/.test(key));
      tensors.set("stranger.weight", tensors.get(first!)!);
      tensors.delete(first!);
      return tensors.set(second!, { dtype: "float32", shape: [1], data: new Float32Array(1) });
    });
    const error = await load(folder).catch((thrown: unknown) => thrown);
    expect(error).toEqual(coded("KEY_MISMATCH"));
    const { details } = error as { details: { missing: string[]; unexpected: string[]; misshapen: object[] } };
    expect(details.missing).toHaveLength(1);
    expect(details.unexpected.join()).toMatch(/stranger\.weight$/);
    expect(details.misshapen).toEqual([expect.objectContaining({ found: [1] })]);
  });
});

describe("ids that a model's tables do not have are an error, whether too large or negative:", () => {
  it.each([3000, -1])("%i", async (id) => {
    for (const [name, load] of [
      ["t5/v1.0", T5ForConditionalGeneration.fromPretrained],
      ["bart/generation", BartForConditionalGeneration.fromPretrained],
    ] as const) {
      const model = await load(join(FIXTURES, name));
      await expect(model({ inputIds: ids(3, id), labels: ids(4, 5) })).rejects.toThrow(coded("DATA_INVALID"));
      await expect(model({ inputIds: ids(3), decoderInputIds: ids(0, id) })).rejects.toThrow(coded("DATA_INVALID"));
      await expect(model({ inputIds: ids(3), labels: ids(4, id) })).rejects.toThrow(coded("DATA_INVALID"));
      await expect(generate(model, { inputIds: ids(id, 3) })).rejects.toThrow(/inputIds has .*row 0, token 0/);
      const { logits } = await model({ inputIds: ids(3), labels: ids(4, -100) });
      expect(logits.shape.slice(0, 2)).toEqual([1, 2]);
    }
    const classifier = await BartForSequenceClassification.fromPretrained(join(FIXTURES, "bart/classification"));
    await expect(classifier({ inputIds: ids(0, id, 2) })).rejects.toThrow(coded("DATA_INVALID"));
    const text = await CLIPTextModel.fromPretrained(join(FIXTURES, "clip/text"));
    await expect(text({ inputIds: ids(57, id, 58) })).rejects.toThrow(coded("DATA_INVALID"));
    const clip = await CLIPModel.fromPretrained(join(FIXTURES, "clip/joint"));
    await expect(clip({ inputIds: ids(57, id, 58) })).rejects.toThrow(coded("DATA_INVALID"));
  });

  it("in a training step, over one batch or several, and in an evaluation, as in a call", async () => {
    const host = await BertForSequenceClassification.fromPretrained(join(FIXTURES, "bert/tiny-sequence"));
    const model = getPeftModel(host, new LoraConfig({ r: 2 }));
    const inputs = { inputIds: ids(2, 3000, 3), labels: { ...ids(1), shape: [1] } };
    const settings = { learningRate: 1e-3, seed: 0, step: 0 };
    const step = trainingStep(model, { optimizer: adamW() });
    const batch = { inputs, size: 1, weight: 1 };
    const source: BatchSource = {
      batchesPerEpoch: 1,
      async *batches() {
        yield batch;
      },
    };
    await expect(step.run(inputs, settings)).rejects.toThrow(coded("DATA_INVALID"));
    await expect(step.runOver([batch], 1, settings)).rejects.toThrow(coded("DATA_INVALID"));
    await expect(evaluate(model, source)).rejects.toThrow(coded("DATA_INVALID"));
    model.dispose();
  });

  it("those of another model's tokenizer", async () => {
    const model = await BertModel.fromPretrained(join(FIXTURES, "bert/odd-bare"));
    const tokenizer = await loadTokenizer(join(FIXTURES, "tokenizers/bert-uncased"));
    const error = {
      code: "DATA_INVALID",
      hint: expect.stringContaining("the tokenizer that belongs to the checkpoint"),
    };
    await expect(embedText(model, ["small"], { tokenizer })).rejects.toMatchObject(error);
  });
});

it("a config that names no class, or one like a property of every object, is an error of loadHost", async () => {
  for (const config of ["null", "[]", "{}", '{"architectures":["constructor"]}', '{"architecture":"constructor_x"}']) {
    const folder = newFolder();
    await writeFile(join(folder, "config.json"), config);
    await expect(loadHost(folder), config).rejects.toThrow(coded("CONFIG_INVALID"));
  }
});
