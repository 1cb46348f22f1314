import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import {
  BertForMaskedLM,
  BertForSequenceClassification,
  BertModel,
  classifyText,
  embedText,
  fillMask,
  getPeftModel,
  LoraConfig,
  loadTokenizer,
  namedParameters,
  parseBertConfig,
  type Tokenizer,
  useEngine,
} from "../../../src/index.js";
import { fillGolden } from "../../../src/testing/index.js";
import { FIXTURES } from "../../fixtures.js";

const TEXTS = ["The small model learns.", "Die Bären aßen früh am Morgen süße Äpfel"];
const LABELS = ["good", "bad", "neither"];
const config = parseBertConfig(
  {
    vocab_size: 450,
    hidden_size: 32,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    intermediate_size: 64,
    max_position_embeddings: 64,
    id2label: { 0: "good", 1: "bad", 2: "neither" },
  },
  "test",
);
let tokenizer: Tokenizer;

beforeAll(async () => {
  await useEngine("compiled", { threads: 2 });
  tokenizer = await loadTokenizer(join(FIXTURES, "tokenizers", "bert-uncased"));
});

/** As TensorFlow.js has it. */
const softmax = (numbers: readonly number[]) => [...tf.softmax(tf.tensor1d([...numbers])).dataSync()];

describe("a text model in one call", () => {
  it("names what texts are, and pairs of them, with and without an adapter", async () => {
    const host = new BertForSequenceClassification(config);
    fillGolden(host.parameters());
    const { logits } = await host(tokenizer.encode(TEXTS));
    const rows = (await logits.array()) as number[][];
    const found = await classifyText(host, TEXTS, { tokenizer, labels: LABELS });
    for (const [i, classes] of found.entries()) {
      const scores = softmax(rows[i]!);
      expect(classes.map(({ label }) => label).sort()).toEqual([...LABELS].sort());
      for (const { label, score } of classes) expect(score).toBeCloseTo(scores[LABELS.indexOf(label)]!, 6);
      expect(classes[0]!.score).toBeGreaterThanOrEqual(classes[1]!.score);
    }
    const several = { tokenizer, labels: LABELS, problemType: "multi_label_classification" } as const;
    const [first] = await classifyText(host, TEXTS, several);
    const sigmoid = 1 / (1 + Math.exp(-rows[0]![LABELS.indexOf(first![0]!.label)]!));
    expect(first![0]!.score).toBeCloseTo(sigmoid, 6);

    const model = getPeftModel(host, new LoraConfig({ r: 2 }));
    const pairs = { tokenizer, labels: LABELS, pairs: ["Nothing is forgotten.", "a"] };
    expect(await classifyText(model, TEXTS, pairs)).toHaveLength(2);
  });

  it("gives the likeliest words for each mask", async () => {
    const model = new BertForMaskedLM(config);
    fillGolden(model.parameters());
    const text = "The [MASK] model [MASK].";
    const [found, other] = await fillMask(model, [text, "A much longer text with [MASK] in it."], {
      tokenizer,
      topK: 3,
    });
    expect(other).toHaveLength(1);
    expect(found!.map((words) => words.length)).toEqual([3, 3]);
    const inputs = tokenizer.encode(text);
    const place = [...inputs.inputIds.data].indexOf(tokenizer.specialId("mask"));
    const { logits } = await model(inputs);
    const row = ((await logits.array()) as number[][][])[0]![place]!;
    const best = row.indexOf(Math.max(...row));
    expect(found![0]![0]).toMatchObject({ id: best, token: tokenizer.tokenOf(best) ?? `${best}` });
    expect(found![0]![0]!.score).toBeCloseTo(softmax(row)[best]!, 6);
    await expect(fillMask(model, [text, "no mask"], { tokenizer })).rejects.toMatchObject({
      message: expect.stringContaining("[MASK]"),
      place: "text 1",
    });
  });

  it("gives vectors that do not depend on what else is in the batch, of length 1 or as they are", async () => {
    const model = new BertModel(config, { seed: 0, pooler: false });
    fillGolden(namedParameters(model));
    const together = await embedText(model, TEXTS, { tokenizer });
    for (const [i, text] of TEXTS.entries()) {
      const [alone] = await embedText(model, [text], { tokenizer });
      for (const [at, x] of alone!.entries()) expect(Math.abs(x - together[i]![at]!)).toBeLessThan(1e-5);
      expect(Math.hypot(...alone!)).toBeCloseTo(1, 5);
    }
    const options = { tokenizer, pooling: "first", normalize: false } as const;
    const [first] = await embedText(model, TEXTS, options);
    expect(Math.hypot(...first!)).toBeGreaterThan(1.5);
    expect(first).toHaveLength(32);
  });
});
