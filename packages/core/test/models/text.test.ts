import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  adamW,
  arrayBatches,
  BertForMaskedLM,
  BertForSequenceClassification,
  BertForTokenClassification,
  BertModel,
  compile,
  evaluate,
  getPeftModel,
  type HostArray,
  type HostModel,
  LoraConfig,
  PeftModel,
  parseBertConfig,
  parseRobertaConfig,
  RobertaForMaskedLM,
  RobertaForSequenceClassification,
  RobertaForTokenClassification,
  RobertaModel,
  Trainer,
  useEngine,
} from "../../src/index.js";
import { placesBesidePadding } from "../../src/models/text/inputs.js";
import { BOUNDS, expectClose, fillGolden, readFixture, stepOf } from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";
import { batchOf, expectTrainedAlike, type TrainedInfo } from "./trainedFixture.js";

const at = (family: string, name: string): string => join(FIXTURES, family, name);
const TINY = {
  vocab_size: 50,
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  intermediate_size: 64,
  max_position_embeddings: 40,
  hidden_dropout_prob: 0,
  attention_probs_dropout_prob: 0,
};
const THREE = { id2label: { 0: "a", 1: "b", 2: "c" } };
const bertTiny = (fields: object = {}) => parseBertConfig({ ...TINY, ...fields }, "golden");
const robertaTiny = (fields: object = {}) =>
  parseRobertaConfig({ ...TINY, type_vocab_size: 1, layer_norm_eps: 1e-5, ...fields }, "golden");

const ints = (rows: readonly (readonly number[])[]): HostArray => ({
  data: Int32Array.from(rows.flat()),
  shape: [rows.length, rows[0]!.length],
  dtype: "int32",
});
const ROBERTA_IDS = [
  [0, 5, 7, 9, 2, 1, 1],
  [0, 11, 12, 13, 14, 15, 2],
];
const BERT_IDS = [
  [2, 5, 7, 3, 9, 3, 0],
  [2, 11, 12, 3, 14, 15, 3],
];
const BERT_TYPES = [
  [0, 0, 0, 0, 1, 1, 0],
  [0, 0, 0, 0, 1, 1, 1],
];
const maskOf = (rows: number[][], pad: number) => ints(rows.map((row) => row.map((id) => (id === pad ? 0 : 1))));
const roberta = () => ({ inputIds: ints(ROBERTA_IDS), attentionMask: maskOf(ROBERTA_IDS, 1) });
const bert = () => ({
  inputIds: ints(BERT_IDS),
  attentionMask: maskOf(BERT_IDS, 0),
  tokenTypeIds: ints(BERT_TYPES),
});

async function numbers(model: HostModel, inputs: Record<string, HostArray>): Promise<Float32Array> {
  const { logits } = await model(inputs);
  const data = (await logits.data()) as Float32Array;
  logits.dispose();
  return data;
}

function expectNear(actual: ArrayLike<number>, wanted: readonly number[], tolerance = 2e-6): void {
  for (const [i, x] of wanted.entries()) expect(Math.abs(actual[i]! - x), `number ${i}`).toBeLessThan(tolerance);
}

describe.each(["compiled", "eager"] as const)("BERT and RoBERTa, %s", (engine) => {
  beforeAll(async () => {
    await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
  });
  afterAll(async () => {
    await useEngine("eager");
  });

  it("give the golden logits of the specification with the head that fills in words", async () => {
    const robertaModel = new RobertaForMaskedLM(robertaTiny());
    fillGolden(robertaModel.parameters());
    expect(robertaModel.parameters().size).toBe(42);
    const ours = await numbers(robertaModel, roberta());
    expectNear(ours, [0.453534, -0.294778, 1.03758, 0.669606]);
    expectNear(ours.slice((7 + 6) * 50), [-0.166489, 0.04293, -0.210506, -0.317595]);
    const real = [...ours].filter((_, i) => ROBERTA_IDS.flat()[Math.floor(i / 50)] !== 1);
    expectNear(
      [real.reduce((sum, x) => sum + x, 0), real.reduce((sum, x) => sum + Math.abs(x), 0) / real.length],
      [-62.7405, 0.493163],
      1e-4,
    );
    const labels = ints(ROBERTA_IDS.map((row) => row.map(() => -100)));
    (labels.data as Int32Array).set([7], 2);
    (labels.data as Int32Array).set([13], 7 + 3);
    expectNear([(await stepOf(robertaModel, { ...roberta(), labels }, robertaModel.parameters())).loss], [3.619695]);

    const bertModel = new BertForMaskedLM(bertTiny());
    fillGolden(bertModel.parameters());
    const theirs = await numbers(bertModel, bert());
    expectNear(theirs, [0.332548, 0.479296, -0.236453, -0.949121]);
    expectNear(theirs.slice((7 + 6) * 50), [1.569669, -0.395534, -0.710868, -0.739447]);
  });

  it("give the golden embeddings, and classes of whole texts", async () => {
    const bare = new RobertaForMaskedLM(robertaTiny());
    fillGolden(bare.parameters());
    const run = compile((inputIds) => bare.forward({ inputIds: inputIds! }).hiddenStates[0]!);
    expectNear(await (await run(roberta().inputIds)).data(), [0.3274, 0.611723, -1.061831, 0.447915]);

    const robertaModel = new RobertaForSequenceClassification(robertaTiny(THREE));
    fillGolden(robertaModel.parameters());
    expectNear(await numbers(robertaModel, roberta()), [0.432093, -0.302413, -0.028507, 0.517519, -0.31989, -0.002546]);
    const bertModel = new BertForSequenceClassification(bertTiny(THREE));
    fillGolden(bertModel.parameters());
    expectNear(await numbers(bertModel, bert()), [0.229616, 0.006956, 0.764423, 0.271789, 0.098515, 0.76727]);
  });

  it.each([
    ["bert", "tiny-mlm", BertForMaskedLM],
    ["bert", "tiny-sequence", BertForSequenceClassification],
    ["bert", "odd-multilabel", BertForSequenceClassification],
    ["bert", "odd-regression", BertForSequenceClassification],
    ["bert", "odd-token", BertForTokenClassification],
    ["roberta", "tiny-mlm", RobertaForMaskedLM],
    ["roberta", "tiny-sequence", RobertaForSequenceClassification],
    ["roberta", "odd-regression", RobertaForSequenceClassification],
    ["roberta", "odd-token", RobertaForTokenClassification],
  ] as const)(
    "equal Hugging Face's on %s/%s: hidden states, logits, loss, gradients, five steps",
    async (family, name, Class) => {
      const model = await Class.fromPretrained(at(family, name));
      await expectTrainedAlike(model, readFixture<TrainedInfo>(join(FIXTURES, family), name));
    },
  );

  it.each([
    ["bert", BertModel],
    ["roberta", RobertaModel],
  ] as const)("equal Hugging Face's bare model and its pooler: %s", async (family, Class) => {
    const fixture = readFixture<TrainedInfo>(join(FIXTURES, family), "odd-bare");
    const model = await Class.fromPretrained(at(family, "odd-bare"));
    const { inputs } = fixture.info;
    const run = compile((...tensors) => {
      const output = model.forward(Object.fromEntries(inputs.map((name, i) => [name, tensors[i]!])));
      return { lastHidden: output.lastHiddenState, pooler: model.pool(output) };
    });
    const result = await run(...inputs.map((name) => fixture.input(name)));
    const found = new Map([
      ["lastHidden", await result.lastHidden.data()],
      ["pooler", await result.pooler.data()],
    ]);
    expectClose(found, fixture.group("output"), BOUNDS.outputs);
  });

  it("take an adapter that Python's PEFT wrote for a BERT classifier", async () => {
    const fixture = readFixture<TrainedInfo>(join(FIXTURES, "bert"), "lora");
    const host = await BertForSequenceClassification.fromPretrained(at("bert", "tiny-sequence"));
    const model = await PeftModel.fromPretrained(host, at("bert", "lora"));
    expectClose(new Map([["logits", await numbers(model, batchOf(fixture))]]), fixture.group("output"), BOUNDS.outputs);
  });

  it("count RoBERTa's places beside padding, wherever it is", async () => {
    const run = compile((ids) => placesBesidePadding(ids!, 1));
    const places = await run(ints([[0, 5, 7, 1, 9, 2, 1, 1]]));
    expect([...(await places.data())]).toEqual([2, 3, 4, 1, 5, 6, 1, 1]);
  });

  it("say the same of a text whatever follows it as padding; RoBERTa also of what comes before it", async () => {
    const text = [0, 5, 7, 9, 2];
    const robertaModel = new RobertaForMaskedLM(robertaTiny());
    fillGolden(robertaModel.parameters());
    const bertModel = new BertForMaskedLM(bertTiny({ pad_token_id: 1 }));
    fillGolden(bertModel.parameters());
    const of = async (model: HostModel, row: number[]) => {
      const all = await numbers(model, { inputIds: ints([row]), attentionMask: maskOf([row], 1) });
      const first = row.indexOf(0);
      return all.slice(first * 50, (first + text.length) * 50);
    };
    for (const model of [robertaModel, bertModel]) {
      expectNear(await of(model, [...text, 1, 1, 1, 1]), [...(await of(model, text))], 1e-5);
    }
    expectNear(await of(robertaModel, [1, 1, ...text, 1]), [...(await of(robertaModel, text))], 1e-5);
    const moved = await of(bertModel, [1, 1, ...text, 1]);
    const apart = [...(await of(bertModel, text))].map((x, i) => Math.abs(x - moved[i]!));
    expect(Math.max(...apart)).toBeGreaterThan(1e-3);
  });

  it("train a LoRA with dropout everywhere to a lower loss, and leave no tensors behind", async () => {
    const dropout = { hidden: 0.1, attention: 0.1, classifier: 0.1 };
    const host = await RobertaForSequenceClassification.fromPretrained(at("roberta", "tiny-sequence"), { dropout });
    const model = getPeftModel(host, new LoraConfig({ r: 4 }));
    const batch = { ...roberta(), labels: { data: Int32Array.of(2, 1), shape: [2], dtype: "int32" as const } };
    const train = arrayBatches(batch, { batchSize: 2 });
    // Evaluated without dropout: a step's own loss is another with each draw.
    const { loss: before } = await evaluate(model, train);
    const trainer = new Trainer(model, {
      train,
      steps: 30,
      learningRate: 0.02,
      optimizer: adamW(),
    });
    const losses: number[] = [];
    let tensors = 0;
    for await (const event of trainer.run()) {
      if (event.type !== "step") continue;
      losses.push(event.loss);
      // Fewer, where the collector comes upon models of other tests.
      if (losses.length > 2) expect(tf.memory().numTensors).toBeLessThanOrEqual(tensors);
      if (losses.length > 1) tensors = tf.memory().numTensors;
    }
    expect(losses.every(Number.isFinite)).toBe(true);
    expect((await evaluate(model, train)).loss).toBeLessThan(before / 2);
    await numbers(model, roberta());
    const kept = tf.memory().numTensors;
    for (let i = 0; i < 3; i++) await numbers(model, roberta());
    expect(tf.memory().numTensors).toBeLessThanOrEqual(kept);
  });
});
