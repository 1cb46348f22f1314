import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
  BertForMaskedLM,
  BertForSequenceClassification,
  BertForTokenClassification,
  BertModel,
  getPeftModel,
  type HostArray,
  type HostModel,
  type HostTensor,
  LoraConfig,
  namedParameters,
  parseBertConfig,
  parseRobertaConfig,
  RobertaForMaskedLM,
  RobertaForSequenceClassification,
  RobertaForTokenClassification,
  RobertaModel,
  readSafetensors,
  toBFloat16,
  toFloat16,
  useEngine,
} from "../../src/index.js";
import { readAll } from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";
import { changed, newFolder, renamed, type Tensors } from "./changedFolder.js";

const BERT_MLM = join(FIXTURES, "bert", "tiny-mlm");
const BERT_SEQUENCE = join(FIXTURES, "bert", "tiny-sequence");
const BERT_TOKEN = join(FIXTURES, "bert", "odd-token");
const BERT_BARE = join(FIXTURES, "bert", "odd-bare");
const ROBERTA_MLM = join(FIXTURES, "roberta", "tiny-mlm");
const coded = (code: string, details?: object) =>
  expect.objectContaining(details ? { code, details: expect.objectContaining(details) } : { code });
const ids = (...row: number[]): HostArray => ({ data: Int32Array.from(row), shape: [1, row.length], dtype: "int32" });
const ONE: HostTensor = { dtype: "float32", shape: [1], data: Float32Array.of(1) };

async function logits(model: HostModel): Promise<Float32Array> {
  return (await (await model({ inputIds: ids(2, 5, 7, 3) })).logits.data()) as Float32Array;
}

beforeAll(async () => {
  await useEngine("compiled", { threads: 2 });
});

describe("the folder of a BERT or RoBERTa", () => {
  it("is read alike with gamma and beta, without the prefix, with buffers, tied tensors and other heads", async () => {
    const old = (name: string) =>
      name.replace(/(LayerNorm)\.weight/, "$1.gamma").replace(/(LayerNorm)\.bias/, "$1.beta");
    const extra =
      (type: string, head: string, words: string) =>
      (tensors: Tensors): Tensors => {
        for (const name of ["cls.seq_relationship.weight", "qa_outputs.bias", "classifier.weight"])
          tensors.set(name, ONE);
        tensors.set(`${type}.embeddings.position_ids`, ONE).set(`${type}.pooler.dense.weight`, ONE);
        tensors.set(`${head}.decoder.weight`, tensors.get(words)!);
        return tensors.set(`${head}.decoder.bias`, tensors.get(`${head}.bias`)!);
      };
    const wantedBert = await logits(await BertForMaskedLM.fromPretrained(BERT_MLM));
    for (const change of [
      renamed(old),
      renamed((name) => name.replace(/^bert\./, "")),
      extra("bert", "cls.predictions", "bert.embeddings.word_embeddings.weight"),
    ]) {
      expect(await logits(await BertForMaskedLM.fromPretrained(await changed(BERT_MLM, change)))).toEqual(wantedBert);
    }
    const wantedRoberta = await logits(await RobertaForMaskedLM.fromPretrained(ROBERTA_MLM));
    for (const change of [
      renamed((name) => name.replace(/^roberta\./, "")),
      extra("roberta", "lm_head", "roberta.embeddings.word_embeddings.weight"),
    ]) {
      const folder = await changed(ROBERTA_MLM, change);
      expect(await logits(await RobertaForMaskedLM.fromPretrained(folder))).toEqual(wantedRoberta);
    }
  });

  it("is widened from half precision", async () => {
    for (const dtype of ["float16", "bfloat16"] as const) {
      const cast = dtype === "float16" ? toFloat16 : toBFloat16;
      const folder = await changed(
        BERT_MLM,
        (tensors) =>
          new Map(
            [...tensors].map(([name, { shape, data }]): [string, HostTensor] => [
              name,
              { dtype, shape, data: cast(data as Float32Array) },
            ]),
          ),
      );
      const narrow = await readAll((await BertForMaskedLM.fromPretrained(folder)).parameters());
      for (const [name, numbers] of await readAll((await BertForMaskedLM.fromPretrained(BERT_MLM)).parameters())) {
        for (const [i, x] of numbers.entries()) expect(Math.abs(narrow.get(name)![i]! - x), name).toBeLessThan(2 ** -8);
      }
    }
  });

  it("gives another head only where labels are given, and then from the seed", async () => {
    await expect(BertForSequenceClassification.fromPretrained(BERT_MLM)).rejects.toThrow(/give labels/);
    const labels = ["x", "y", "z", "w"];
    const model = await BertForSequenceClassification.fromPretrained(BERT_MLM, { labels });
    expect(await logits(model)).toHaveLength(4);
    const again = await BertForSequenceClassification.fromPretrained(BERT_MLM, { labels });
    expect(await logits(again)).toEqual(await logits(model));
    const other = await BertForSequenceClassification.fromPretrained(BERT_MLM, { labels, seed: 1 });
    expect(await logits(other)).not.toEqual(await logits(model));
    await expect(BertForMaskedLM.fromPretrained(BERT_SEQUENCE)).rejects.toThrow(/fills in words/);
    const own = await BertForSequenceClassification.fromPretrained(BERT_SEQUENCE);
    const named = await BertForSequenceClassification.fromPretrained(BERT_SEQUENCE, { labels: own.config.labels });
    expect(await logits(named)).toEqual(await logits(own));
  });

  it("does not take one classifier's head for another's of the same name and shape", async () => {
    await expect(BertForSequenceClassification.fromPretrained(BERT_TOKEN)).rejects.toThrow(coded("KEY_MISMATCH"));
    await expect(BertForTokenClassification.fromPretrained(BERT_SEQUENCE)).rejects.toThrow(/TokenClassification/);
    const labels = (await BertForTokenClassification.fromPretrained(BERT_TOKEN)).config.labels;
    const tokens = await BertForTokenClassification.fromPretrained(BERT_TOKEN, { labels });
    const texts = await BertForSequenceClassification.fromPretrained(BERT_TOKEN, { labels });
    const weight = (model: HostModel) => model.parameters().get("classifier.weight")!.read();
    expect(await weight(texts)).not.toEqual(await weight(tokens));
  });

  it("has a pooler only if the file has one, and says so where it is asked for", async () => {
    const model = await RobertaModel.fromPretrained(ROBERTA_MLM);
    expect(model.pooler).toBeUndefined();
    expect(() => model.pool({} as never)).toThrow(coded("KEY_MISMATCH"));
    expect((await RobertaModel.fromPretrained(join(FIXTURES, "roberta", "odd-bare"))).pooler).toBeDefined();
    const without = await changed(BERT_SEQUENCE, (tensors) => {
      for (const name of tensors.keys()) if (name.includes("pooler")) tensors.delete(name);
      return tensors;
    });
    await expect(BertForSequenceClassification.fromPretrained(without)).rejects.toThrow(
      coded("KEY_MISMATCH", { missing: ["bert.pooler.dense.weight", "bert.pooler.dense.bias"] }),
    );
  });

  it.each([
    [BERT_MLM, BertForMaskedLM],
    [BERT_SEQUENCE, BertForSequenceClassification],
    [join(FIXTURES, "bert", "odd-multilabel"), BertForSequenceClassification],
    [BERT_TOKEN, BertForTokenClassification],
    [BERT_BARE, BertModel],
    [ROBERTA_MLM, RobertaForMaskedLM],
    [join(FIXTURES, "roberta", "odd-token"), RobertaForTokenClassification],
  ] as const)(
    "is written as it was read: the same tensors, and a config that transformers reads: %s",
    async (source, Class) => {
      const folder = join(newFolder(), "new");
      await (await Class.fromPretrained(source)).savePretrained(folder);
      expect((await readdir(folder)).sort()).toEqual(["config.json", "model.safetensors"]);
      expect(await readSafetensors(join(folder, "model.safetensors"))).toEqual(
        await readSafetensors(join(source, "model.safetensors")),
      );
      const written = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
      const original = JSON.parse(await readFile(join(source, "config.json"), "utf8"));
      const beyond = Object.keys(original.id2label ? {} : { id2label: 0, label2id: 0 });
      for (const [key, value] of Object.entries(written)) {
        if (!beyond.includes(key)) expect(value, key).toEqual(original[key]);
      }
    },
  );
});

describe("what is not right with a text model is an error that says what to do:", () => {
  it("the folder of another model, and a config that computes something else", async () => {
    await expect(BertForMaskedLM.fromPretrained(ROBERTA_MLM)).rejects.toThrow(
      /of the type "roberta" \(RobertaForMaskedLM\), not "bert"/,
    );
    for (const fields of [
      { is_decoder: true },
      { position_embedding_type: "relative_key" },
      { tie_word_embeddings: false },
      { num_attention_heads: 5 },
      { hidden_act: "snake" },
      { problem_type: "guess" },
    ]) {
      const folder = await changed(BERT_MLM, () => undefined, fields);
      await expect(BertForMaskedLM.fromPretrained(folder), JSON.stringify(fields)).rejects.toThrow(
        coded("CONFIG_INVALID"),
      );
    }
    await expect(BertForMaskedLM.fromPretrained(BERT_MLM, { dropout: { hidden: 1 } })).rejects.toThrow(
      /dropout.hidden/,
    );
  });

  it("missing, unexpected and misshapen tensors, by name", async () => {
    const folder = await changed(BERT_MLM, (tensors) => {
      tensors.delete("bert.encoder.layer.0.output.LayerNorm.bias");
      tensors.set("bert.stranger", ONE).set("cls.predictions.bias", ONE);
      return tensors;
    });
    await expect(BertForMaskedLM.fromPretrained(folder)).rejects.toThrow(
      coded("KEY_MISMATCH", {
        missing: ["bert.encoder.layer.0.output.LayerNorm.bias"],
        unexpected: ["bert.stranger"],
        misshapen: [{ name: "cls.predictions.bias", expected: [50], found: [1] }],
      }),
    );
  });

  it("words out of the vocabulary, segments, too long a text, and inputs of another shape", async () => {
    const bert = await BertForMaskedLM.fromPretrained(BERT_MLM);
    await expect(bert({ inputIds: ids(2, 50, 3) })).rejects.toThrow(/inputIds has 50, .* 50 rows \(row 0, token 1\)/);
    await expect(bert({ inputIds: ids(2, -1, 3) })).rejects.toThrow(coded("DATA_INVALID"));
    const adapted = getPeftModel(bert, new LoraConfig({ r: 2 }));
    await expect(adapted({ inputIds: ids(2, -1, 3) })).rejects.toThrow(coded("DATA_INVALID"));
    adapted.unload();
    await expect(bert({ inputIds: ids(...new Array(41).fill(5)) })).rejects.toThrow(
      /41 tokens, and the model takes 40/,
    );
    await expect(bert({ inputIds: ids(2, 3), attentionMask: ids(1, 1, 1) })).rejects.toThrow(coded("SHAPE_MISMATCH"));
    await expect(bert({ inputIds: { data: Int32Array.of(2), shape: [1], dtype: "int32" } })).rejects.toThrow(
      /loadTokenizer/,
    );
    const roberta = await RobertaForMaskedLM.fromPretrained(ROBERTA_MLM);
    await expect(roberta({ inputIds: ids(...new Array(39).fill(5)) })).rejects.toThrow(/takes 38/);
    await expect(roberta({ inputIds: ids(5), tokenTypeIds: ids(1) })).rejects.toThrow(/tokenTypeIds has 1/);
  });
});

describe("at full size there are as many numbers as in the published models:", () => {
  const ROBERTA = { vocab_size: 50265, max_position_embeddings: 514, type_vocab_size: 1, layer_norm_eps: 1e-5 };
  const LARGE = { hidden_size: 1024, num_hidden_layers: 24, num_attention_heads: 16, intermediate_size: 4096 };
  const count = (model: { forward: unknown }) =>
    [...namedParameters(model as never).values()].reduce((sum, { size }) => sum + size, 0);

  it.each([
    ["roberta-base", parseRobertaConfig(ROBERTA, ""), 124_645_632, 124_697_433, 124_647_170],
    ["roberta-large", parseRobertaConfig({ ...ROBERTA, ...LARGE }, ""), 355_359_744, 355_412_057, 355_361_794],
    ["bert-base-uncased", parseBertConfig({}, ""), 109_482_240, 109_514_298, 109_483_778],
    ["bert-base-cased", parseBertConfig({ vocab_size: 28996 }, ""), 108_310_272, 108_340_804, 108_311_810],
    ["bert-large-uncased", parseBertConfig(LARGE, ""), 335_141_888, 335_174_458, 335_143_938],
  ] as const)("%s", (_, config, bare, masked, classes) => {
    const isBert = config.modelType === "bert";
    expect(count(new (isBert ? BertModel : RobertaModel)(config, { seed: 0, pooler: true }))).toBe(bare);
    expect(count(new (isBert ? BertForMaskedLM : RobertaForMaskedLM)(config))).toBe(masked);
    expect(count(new (isBert ? BertForSequenceClassification : RobertaForSequenceClassification)(config))).toBe(
      classes,
    );
  });
});
