import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  BartForConditionalGeneration,
  BartForSequenceClassification,
  compile,
  engineInfo,
  type HostArray,
  type HostModel,
  type ModelArguments,
  parseBartConfig,
  useEngine,
} from "../../src/index.js";
import {
  BOUNDS,
  changeError,
  expectClose,
  type FixtureOptimizer,
  fixtureTraining,
  gradientFloor,
  readFixture,
  stepOf,
  trainSteps,
} from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";
import { fillHashed, ints, maskOf, sumOfMagnitudes } from "./seq2seqSupport.js";

const FOLDER = join(FIXTURES, "bart");
const TINY = {
  vocab_size: 24,
  d_model: 8,
  encoder_layers: 2,
  decoder_layers: 2,
  encoder_attention_heads: 2,
  decoder_attention_heads: 2,
  encoder_ffn_dim: 16,
  decoder_ffn_dim: 16,
  max_position_embeddings: 16,
  dropout: 0,
};
const SOURCE = [
  [0, 5, 7, 9, 11, 2],
  [0, 6, 8, 2, 1, 1],
];
const tiny = (config: object = {}): BartForConditionalGeneration => {
  const model = new BartForConditionalGeneration(parseBartConfig({ ...TINY, ...config }, "golden"));
  fillHashed(model.parameters());
  return model;
};
const GOLDEN = () => ({
  inputIds: ints(SOURCE),
  attentionMask: maskOf(SOURCE, 1),
  decoderInputIds: ints([
    [2, 0, 4],
    [2, 0, 8],
  ]),
});
const logitsOf = async (model: HostModel, inputs: ModelArguments): Promise<Float32Array> => {
  const { logits } = await model(inputs);
  return (await logits.data()) as Float32Array;
};
const expectNear = (actual: ArrayLike<number>, wanted: readonly number[], bound: number): void => {
  for (const [i, x] of wanted.entries()) expect(Math.abs(actual[i]! - x)).toBeLessThan(bound);
};

describe.each(["compiled", "eager"] as const)("BART, %s", (engine) => {
  beforeAll(async () => {
    await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
    expect(engineInfo()?.engine).toBe(engine);
  });
  afterAll(async () => {
    await useEngine("eager");
  });

  it("gives the golden values: encoder, logits, loss", async () => {
    const model = tiny();
    const encode = compile((inputIds, attentionMask) =>
      model.encode({ inputIds: inputIds!, attentionMask: attentionMask! }),
    );
    const encoded = await (await encode(ints(SOURCE), maskOf(SOURCE, 1))).data();
    expect(Math.abs(sumOfMagnitudes(encoded) - 78.483146)).toBeLessThan(1e-4);
    expectNear(encoded, [1.399505, 1.147082, -1.390532, 0.38912], 1e-5);
    const logits = await logitsOf(model, GOLDEN());
    expect(Math.abs(sumOfMagnitudes(logits) - 94.211195)).toBeLessThan(1e-4);
    expectNear(logits, [-0.84204, 0.141238, 0.828022, 0.937502], 1e-5);
    expectNear(logits.slice(48), [0.17455, 0.659413, 0.061384, -0.036722], 1e-5);
    expectNear(logits.slice(5 * 24), [-0.172174, 0.806574, -0.063682, -0.297751], 1e-5);
    const labels = ints([
      [0, 4, 2],
      [0, 8, 2],
    ]);
    const { decoderInputIds: _, ...others } = GOLDEN();
    const { loss } = await stepOf(model, { ...others, labels }, new Map([["w", model.model.shared.weight]]));
    expect(Math.abs(loss - 3.70381595)).toBeLessThan(1e-5);
  });

  it("reads row t + 2 of its positions for the token at place t", async () => {
    const model = tiny();
    const right = await logitsOf(model, GOLDEN());
    for (const { embed_positions } of [model.model.encoder, model.model.decoder]) {
      const rows = (await embed_positions.weight.read()) as Float32Array;
      // As if row t were read.
      await embed_positions.weight.write(Float32Array.from([...rows.slice(-16), ...rows.slice(0, -16)]));
    }
    const wrong = await logitsOf(model, GOLDEN());
    expect(Math.max(...wrong.map((x, i) => Math.abs(x - right[i]!)))).toBeGreaterThan(1e-2);
  });

  it("equals Hugging Face's: encoder, logits, loss, gradients, five steps", async () => {
    const fixture = readFixture(FOLDER, "generation");
    const model = await BartForConditionalGeneration.fromPretrained(join(FOLDER, "generation"));
    const [inputIds, attentionMask, labels] = ["inputIds", "attentionMask", "labels"].map((name) =>
      fixture.input(name),
    ) as [HostArray, HostArray, HostArray];
    const encode = compile((ids, mask) => model.encode({ inputIds: ids!, attentionMask: mask! }));
    const encoded = await (await encode(inputIds, attentionMask)).data();
    await expectTrained("generation", model, { inputIds, attentionMask, labels }, new Map([["encoded", encoded]]));
  });

  it("equals Hugging Face's classifier: logits, loss, gradients, five steps", async () => {
    const fixture = readFixture(FOLDER, "classification");
    const model = await BartForSequenceClassification.fromPretrained(join(FOLDER, "classification"));
    const [inputIds, attentionMask, labels] = ["inputIds", "attentionMask", "labels"].map((name) =>
      fixture.input(name),
    ) as [HostArray, HostArray, HostArray];
    expect(model.config.labels).toEqual(["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3"]);
    await expectTrained("classification", model, { inputIds, attentionMask, labels });
  });

  it("does not see padding on the right, nor a decoder token that comes later", async () => {
    const model = tiny();
    const plain = await logitsOf(model, GOLDEN());
    const padded = SOURCE.map((row) => [...row, 1, 1, 1]);
    const { decoderInputIds } = GOLDEN();
    const more = await logitsOf(model, { inputIds: ints(padded), attentionMask: maskOf(padded, 1), decoderInputIds });
    expectNear(more, [...plain], 1e-5);
    const later = ints([
      [2, 0, 20],
      [2, 0, 21],
    ]);
    const changed = await logitsOf(model, { ...GOLDEN(), decoderInputIds: later });
    for (const row of [0, 1]) {
      const places = [row * 72, row * 72 + 48] as const;
      expectNear(changed.slice(...places), [...plain.slice(...places)], 1e-6);
    }
  });

  it("computes in training what it does otherwise where dropout drops nothing, and something else where it does", async () => {
    const run = async (rate: number): Promise<Float32Array> => {
      const model = tiny({ dropout: rate, attention_dropout: rate, activation_dropout: rate });
      const { decoderInputIds } = GOLDEN();
      const batch = { ...GOLDEN(), labels: decoderInputIds };
      return (await stepOf(model, batch, new Map([["w", model.model.shared.weight]]))).logits;
    };
    const plain = await logitsOf(tiny(), GOLDEN());
    // So small a rate that no number is below it, and no sum is scaled.
    expectNear(await run(1e-9), [...plain], 1e-5);
    const dropped = await run(0.1);
    expect(Math.max(...dropped.map((x, i) => Math.abs(x - plain[i]!)))).toBeGreaterThan(0.1);
  });

  it("refuses more tokens than it numbers, and inputs that are missing", async () => {
    const model = tiny();
    const long = ints([Array.from({ length: 17 }, () => 5)]);
    await expect(model({ inputIds: long, decoderInputIds: ints([[2]]) })).rejects.toThrow(/17 tokens.*numbers 16/);
    await expect(model({ inputIds: ints(SOURCE) })).rejects.toThrow(/no decoderInputIds/);
    await expect(model({ decoderInputIds: ints([[2]]) })).rejects.toThrow(/no inputIds/);
  });

  it("keeps old rows bit for bit when its vocabulary grows, and adds nothing to the new logits", async () => {
    const model = await BartForConditionalGeneration.fromPretrained(join(FOLDER, "generation"));
    const inputs = { inputIds: ints([[0, 5, 2]]), decoderInputIds: ints([[2, 0]]) };
    const before = await logitsOf(model, inputs);
    const rows = (await model.model.shared.weight.read()) as Float32Array;
    await model.resizeTokenEmbeddings(40);
    const more = (await model.model.shared.weight.read()) as Float32Array;
    expect(more.slice(0, rows.length)).toEqual(rows);
    const added = more.slice(rows.length);
    expect(Math.max(...added.map(Math.abs))).toBeLessThan(0.1);
    await model.model.shared.weight.write(more.fill(0, rows.length));
    const after = await logitsOf(model, inputs);
    for (const place of [0, 1]) {
      expectNear(after.slice(place * 40, place * 40 + 35), [...before.slice(place * 35, place * 35 + 35)], 1e-6);
      expect([...after.slice(place * 40 + 35, place * 40 + 40)]).toEqual([0, 0, 0, 0, 0]);
    }
  });
});

async function expectTrained(
  name: string,
  model: HostModel,
  batch: Readonly<Record<string, HostArray>>,
  more: ReadonlyMap<string, ArrayLike<number>> = new Map(),
): Promise<void> {
  const fixture = readFixture(FOLDER, name);
  const trained = model.parameters();
  const { loss, logits, gradients } = await stepOf(model, batch, trained);
  const found = new Map<string, ArrayLike<number>>([["logits", logits], ["loss", [loss]], ...more]);
  expectClose(found, fixture.group("output"), BOUNDS.outputs);

  const zero = fixture.info.zeroGradient as string[];
  const wanted = fixture.group("grad");
  expect([...gradients.keys()].sort()).toEqual([...wanted.keys()].sort());
  const floor = gradientFloor(wanted.values());
  for (const key of zero) wanted.delete(key);
  expectClose(gradients, wanted, BOUNDS.gradients, { floor });

  const settings = fixtureTraining(fixture.info.optimizer as FixtureOptimizer);
  const { losses, before, after } = await trainSteps(model, batch, trained, settings);
  expectClose(new Map([["losses", losses]]), new Map([["losses", fixture.info.losses as number[]]]), BOUNDS.outputs);
  for (const [key, delta] of fixture.group("delta")) {
    if (zero.includes(key)) continue;
    expect(changeError(before.get(key)!, after.get(key)!, delta), key).toBeLessThan(BOUNDS.steps);
  }
  model.dispose();
}

describe("BART's numbers", () => {
  it("are as many as the originals have, each storage counted once", () => {
    const countOf = (json: object): number => {
      const model = new BartForConditionalGeneration(parseBartConfig(json, "sizes"));
      return [...model.parameters().values()].reduce((sum, { size }) => sum + size, 0);
    };
    const stack = (side: string) => ({
      [`${side}_layers`]: 6,
      [`${side}_attention_heads`]: 12,
      [`${side}_ffn_dim`]: 3072,
    });
    const base = { d_model: 768, ...stack("encoder"), ...stack("decoder") };
    expect(countOf(TINY)).toBe(3520);
    expect(countOf(base)).toBe(139_420_416);
    expect(countOf({ ...base, vocab_size: 50465 })).toBe(139_574_016);
  });

  it("are refused where the config is a relative's", () => {
    expect(() => parseBartConfig({ normalize_before: true }, "x")).toThrow(/normalize_before/);
    expect(() => parseBartConfig({ model_type: "mbart" }, "x")).toThrow(/type "mbart"/);
    expect(() => parseBartConfig({ d_model: 10, encoder_attention_heads: 3 }, "x")).toThrow(/no multiple/);
  });
});
