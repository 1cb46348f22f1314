import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
  ASTForAudioClassification,
  BartForConditionalGeneration,
  BertForSequenceClassification,
  BertForTokenClassification,
  generate,
  getPeftModel,
  type HostModel,
  type ParameterData,
  type PeftConfig,
  PeftModel,
  PrefixTuningConfig,
  PromptTuningConfig,
  RobertaForSequenceClassification,
  type Seq2SeqModel,
  SwinForImageClassification,
  T5ForConditionalGeneration,
  useEngine,
  VisualPromptConfig,
  ViTForImageClassification,
} from "../../src/index.js";
import {
  BOUNDS,
  changeError,
  describePeftMethod,
  expectClose,
  type Fixture,
  type FixtureOptimizer,
  fixtureTraining,
  goldenArray,
  gradientFloor,
  readFixture,
  stepOf,
  type TrainingBatch,
  trainSteps,
} from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";

const PROMPTS = join(FIXTURES, "prompts");
const at = (...parts: string[]) => join(FIXTURES, ...parts);
const HOSTS: Readonly<Record<string, () => Promise<HostModel>>> = {
  "../vit/tiny": () => ViTForImageClassification.fromPretrained(at("vit", "tiny")),
  "../bert/tiny-sequence": () => BertForSequenceClassification.fromPretrained(at("bert", "tiny-sequence")),
  "../bert/odd-token": () => BertForTokenClassification.fromPretrained(at("bert", "odd-token")),
  "../roberta/tiny-sequence": () => RobertaForSequenceClassification.fromPretrained(at("roberta", "tiny-sequence")),
  "../t5/v1.0": () => T5ForConditionalGeneration.fromPretrained(at("t5", "v1.0")),
  "../t5/v1.1": () => T5ForConditionalGeneration.fromPretrained(at("t5", "v1.1")),
  "../bart/generation": () => BartForConditionalGeneration.fromPretrained(at("bart", "generation")),
};

interface Info {
  readonly host: string;
  readonly inputs: readonly string[];
  readonly optimizer: FixtureOptimizer;
  readonly losses: number[];
  readonly zeroGradient: string[];
}

const batchOf = (fixture: Fixture<Info>): TrainingBatch =>
  Object.fromEntries(fixture.info.inputs.map((name) => [name, fixture.input(name)]));

async function logitsOf(model: HostModel, { labels: _, ...inputs }: TrainingBatch): Promise<ParameterData> {
  const { logits } = await model(inputs);
  const data = await logits.data();
  logits.dispose();
  return (data as ParameterData).slice();
}

const keyInFile = (key: string) => (key.endsWith("prompt_embeddings") ? key : `base_model.${key}`);
const rename = <T>(map: ReadonlyMap<string, T>): Map<string, T> =>
  new Map([...map].map(([key, value]) => [keyInFile(key), value]));

describe.each(["compiled", "eager"] as const)("prompts and prefixes, %s", (engine) => {
  beforeAll(async () => {
    await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
  });

  it.each([
    ...["prompt-bert", "prompt-bert-tokens", "prompt-roberta", "prompt-t5", "prompt-bart"],
    ...["prefix-bert", "prefix-bert-tokens", "prefix-roberta", "prefix-t5", "prefix-bart"],
    ...["visual-shallow", "visual-deep"],
  ])("%s of Python's files gives the logits, gradients and steps of the original", async (name) => {
    const fixture = readFixture<Info>(PROMPTS, name);
    const batch = batchOf(fixture);
    const host = await HOSTS[fixture.info.host]!();
    const bare = await logitsOf(host, batch);
    const model = await PeftModel.fromPretrained(host, join(PROMPTS, name), { isTrainable: true });
    const { loss, logits, gradients } = await stepOf(model, batch, model.trainableParameters());
    const found = new Map<string, ArrayLike<number>>([
      ["logits", logits],
      ["loss", [loss]],
    ]);
    expectClose(found, fixture.group("output"), BOUNDS.outputs);
    expect(await model.disableAdapter(() => logitsOf(model, batch))).toEqual(bare);

    const wanted = fixture.group("grad");
    const floor = gradientFloor(wanted.values());
    for (const key of fixture.info.zeroGradient) wanted.delete(key);
    expectClose(rename(gradients), wanted, BOUNDS.gradients, { floor });
    expect(gradients.size).toBe(fixture.group("grad").size);
    const settings = fixtureTraining(fixture.info.optimizer);
    const steps = await trainSteps(model, batch, model.trainableParameters(), settings);
    const [before, after] = [rename(steps.before), rename(steps.after)];
    expectClose(new Map([["losses", steps.losses]]), new Map([["losses", fixture.info.losses]]), BOUNDS.outputs);
    for (const [key, delta] of fixture.group("delta")) {
      if (fixture.info.zeroGradient.includes(key)) continue;
      expect(changeError(before.get(key)!, after.get(key)!, delta), key).toBeLessThan(BOUNDS.steps);
    }
    expect(await logitsOf(model.unload(), batch)).toEqual(bare);
    host.dispose();
  });

  it("a projected prefix is what PEFT's is, and is saved and loaded as what comes out of the projection", async () => {
    const fixture = readFixture<Info>(PROMPTS, "prefix-projected");
    const batch = batchOf(fixture);
    const read = await PeftModel.fromPretrained(await HOSTS[fixture.info.host]!(), join(PROMPTS, "prefix-projected"));
    const wanted = new Map([["logits", fixture.group("output").get("logits")!]]);
    expectClose(new Map([["logits", await logitsOf(read, batch)]]), wanted, BOUNDS.outputs);

    const config = new PrefixTuningConfig({ numVirtualTokens: 3, prefixProjection: true, encoderHiddenSize: 12 });
    const model = getPeftModel(await HOSTS[fixture.info.host]!(), config);
    const parameters = model.trainableParameters();
    for (const [key, numbers] of fixture.group("encoder")) await parameters.get(key)!.write(Float32Array.from(numbers));
    for (const key of ["classifier.weight", "classifier.bias"]) {
      await parameters.get(key)!.write(await read.adapterParameters().get(key)!.read());
    }
    const logits = await logitsOf(model, batch);
    expectClose(new Map([["logits", logits]]), wanted, BOUNDS.outputs);
    const { gradients } = await stepOf(model, batch, parameters);
    for (const gradient of gradients.values()) expect(Math.max(...gradient.map(Math.abs))).toBeGreaterThan(0);

    const folder = await mkdtemp(join(tmpdir(), "peft-"));
    await model.savePretrained(folder);
    const loaded = await PeftModel.fromPretrained(await HOSTS[fixture.info.host]!(), folder, { isTrainable: true });
    expect([...loaded.trainableParameters().keys()]).toEqual([
      "prompt_embeddings",
      "classifier.weight",
      "classifier.bias",
    ]);
    expectClose(new Map([["logits", await logitsOf(loaded, batch)]]), new Map([["logits", logits]]), BOUNDS.engines);
    const json = JSON.parse(await readFile(join(folder, "adapter_config.json"), "utf8"));
    expect(json).toMatchObject({ task_type: "SEQ_CLS", token_dim: 32, num_layers: 2, prefix_projection: false });
    await rm(folder, { recursive: true });
    for (const one of [model, read, loaded]) one.dispose();
  });

  it.each([
    ["prompt", "../t5/v1.0", new PromptTuningConfig({ numVirtualTokens: 3 })],
    ["prompt", "../bart/generation", new PromptTuningConfig({ numVirtualTokens: 3 })],
    ["prefix", "../t5/v1.1", new PrefixTuningConfig({ numVirtualTokens: 3 })],
    ["prefix", "../bart/generation", new PrefixTuningConfig({ numVirtualTokens: 3 })],
  ] as [string, string, PeftConfig][])(
    "with a %s %s generates with its cache what it says of whole sequences",
    async (_, name, config) => {
      const host = (await HOSTS[name]!()) as Seq2SeqModel;
      const model = getPeftModel(host, config, { seed: 3 });
      const inputIds = { data: Int32Array.of(5, 9, 11, 1, 7, 8, 1, 0), shape: [2, 4], dtype: "int32" as const };
      const attentionMask = { data: Int32Array.of(1, 1, 1, 1, 1, 1, 1, 0), shape: [2, 4], dtype: "int32" as const };
      const options = { maxNewTokens: 5, eosTokenIds: [], forcedEosTokenId: undefined, numBeams: 1 };
      const made = await generate(host, { inputIds, attentionMask }, options);
      for (const [row, sequence] of made.sequences.entries()) {
        expect(sequence.length).toBeGreaterThan(3);
        const decoder = sequence.slice(0, -1);
        const logits = await logitsOf(model, {
          inputIds: { ...inputIds, data: inputIds.data.slice(4 * row, 4 * row + 4), shape: [1, 4] },
          attentionMask: { ...attentionMask, data: attentionMask.data.slice(4 * row, 4 * row + 4), shape: [1, 4] },
          decoderInputIds: { data: Int32Array.from(decoder), shape: [1, decoder.length], dtype: "int32" },
        });
        const size = logits.length / decoder.length;
        for (const [i, token] of sequence.slice(1).entries()) {
          const scores = logits.subarray(i * size, (i + 1) * size);
          expect(scores.indexOf(Math.max(...scores)), `token ${i + 1} of row ${row}`).toBe(token);
        }
      }
      model.dispose();
    },
  );
});

const ints = (rows: number[][]) => ({
  data: Int32Array.from(rows.flat()),
  shape: [rows.length, rows[0]!.length],
  dtype: "int32" as const,
});
const PICTURES = {
  pixelValues: { data: goldenArray(7, 2 * 3 * 32 * 32, 1), shape: [2, 3, 32, 32], dtype: "float32" as const },
  labels: { data: Int32Array.of(0, 2), shape: [2], dtype: "int32" as const },
};
const TEXTS = {
  inputIds: ints([
    [2, 5, 7, 3, 9],
    [2, 11, 3, 0, 0],
  ]),
  attentionMask: ints([
    [1, 1, 1, 1, 1],
    [1, 1, 1, 0, 0],
  ]),
  labels: { data: Int32Array.of(0, 2), shape: [2], dtype: "int32" as const },
};
const PAIRS = {
  inputIds: ints([
    [5, 9, 11, 1],
    [7, 8, 1, 0],
  ]),
  attentionMask: ints([
    [1, 1, 1, 1],
    [1, 1, 1, 0],
  ]),
  decoderInputIds: ints([
    [0, 4, 6],
    [0, 9, 1],
  ]),
  labels: ints([
    [4, 6, 1],
    [9, 1, -100],
  ]),
};
const P = 3;
const METHODS: [
  string,
  string,
  PeftConfig,
  Record<string, ReturnType<typeof ints> | typeof PICTURES.pixelValues>,
  number,
][] = [
  ["shallow visual prompts", "../vit/tiny", new VisualPromptConfig({ numVirtualTokens: P }), PICTURES, P * 32 + 165],
  [
    "deep visual prompts",
    "../vit/tiny",
    new VisualPromptConfig({ numVirtualTokens: P, deep: true }),
    PICTURES,
    2 * P * 32 + 165,
  ],
  ["prefixes in a ViT", "../vit/tiny", new PrefixTuningConfig({ numVirtualTokens: P }), PICTURES, P * 2 * 2 * 32 + 165],
  [
    "prompts before texts",
    "../bert/tiny-sequence",
    new PromptTuningConfig({ numVirtualTokens: P }),
    TEXTS,
    P * 32 + 99,
  ],
  [
    "prefixes of zeros in a BERT",
    "../bert/tiny-sequence",
    new PrefixTuningConfig({ numVirtualTokens: P, initWeights: "zero" }),
    TEXTS,
    P * 2 * 2 * 32 + 99,
  ],
  ["prompts before T5's texts", "../t5/v1.0", new PromptTuningConfig({ numVirtualTokens: P }), PAIRS, P * 16],
  ["prefixes in BART", "../bart/generation", new PrefixTuningConfig({ numVirtualTokens: P }), PAIRS, P * 3 * 2 * 16],
];
for (const [name, host, config, batch, trainable] of METHODS) {
  describePeftMethod(
    name,
    { host: HOSTS[host]!, config, batch, trainable, identity: false, zeroGradient: /key\.bias$/ },
    { describe, it, beforeAll },
  );
}

describe("prompts", () => {
  const bert = () => BertForSequenceClassification.fromPretrained(at("bert", "tiny-sequence"));

  it("start as the words whose ids are given, repeated or cut, wherever the table is held", async () => {
    await useEngine("compiled", { threads: 2 });
    for (const isBound of [false, true]) {
      const host = await bert();
      const table = await host.parameters().get("bert.embeddings.word_embeddings.weight")!.read();
      if (isBound) await logitsOf(host, TEXTS);
      const model = getPeftModel(host, new PromptTuningConfig({ numVirtualTokens: 3, initTokenIds: [7, 4] }));
      const start = await model.adapterParameters().get("prompt_embeddings")!.read();
      expect([...start]).toEqual([7, 4, 7].flatMap((id) => [...table.subarray(32 * id, 32 * id + 32)]));
      model.dispose();
    }
  });

  it("are refused by hosts without a place for them, and by a text that leaves no room", async () => {
    const host = await bert();
    expect(() => getPeftModel(host, new VisualPromptConfig({ numVirtualTokens: 2 }))).toThrow(/places for prompts/);
    expect(() => getPeftModel(host, new PromptTuningConfig({ numVirtualTokens: 2, initTokenIds: [50] }))).toThrow(
      /no word 50/,
    );
    const model = getPeftModel(host, new PromptTuningConfig({ numVirtualTokens: 36 }));
    await expect(model({ inputIds: TEXTS.inputIds })).rejects.toThrow(/a text of 5 tokens, and the model takes 4/);
    model.dispose();
    const swin = await SwinForImageClassification.fromPretrained(at("swin", "tiny"));
    for (const config of [
      new PrefixTuningConfig({ numVirtualTokens: 2 }),
      new VisualPromptConfig({ numVirtualTokens: 2 }),
    ]) {
      expect(() => getPeftModel(swin, config)).toThrow(/TARGET_UNSUPPORTED|no attention|0 places/);
    }
    swin.dispose();
  });

  it("behind the two tokens of an AST leave those in front", async () => {
    const host = await ASTForAudioClassification.fromPretrained(at("ast", "tiny"));
    const { maxLength, numMelBins } = host.config;
    const inputValues = {
      data: goldenArray(9, 2 * maxLength * numMelBins, 1),
      shape: [2, maxLength, numMelBins],
      dtype: "float32" as const,
    };
    const bare = await logitsOf(host, { inputValues });
    const model = getPeftModel(host, new VisualPromptConfig({ numVirtualTokens: 4, deep: true }));
    expect(await logitsOf(model, { inputValues })).not.toEqual(bare);
    expect(await logitsOf(model.unload(), { inputValues })).toEqual(bare);
    host.dispose();
  });
});
