import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  compile,
  engineInfo,
  inTraining,
  type ModelArguments,
  PeftModel,
  parseT5Config,
  T5ForConditionalGeneration,
  useEngine,
} from "../../src/index.js";
import { bucketOf } from "../../src/models/t5/relativePositions.js";
import {
  BOUNDS,
  changeError,
  expectClose,
  type FixtureOptimizer,
  fillGolden,
  fixtureTraining,
  gradientFloor,
  readFixture,
  stepOf,
  trainSteps,
} from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";
import { fillHashed, fnv1a, ints, maskOf, sumOfMagnitudes } from "./seq2seqSupport.js";

const FOLDER = join(FIXTURES, "t5");
const TINY = {
  vocab_size: 24,
  d_model: 8,
  d_kv: 6,
  num_heads: 2,
  d_ff: 16,
  num_layers: 2,
  num_decoder_layers: 2,
  decoder_start_token_id: 0,
  dropout_rate: 0,
};
const SOURCE = [
  [...Array.from({ length: 23 }, (_, i) => ((7 * i + 3) % 21) + 2), 1],
  [...Array.from({ length: 19 }, (_, i) => ((5 * i + 4) % 21) + 2), 1, 0, 0, 0, 0],
];
const tiny = (config: object = {}): T5ForConditionalGeneration => {
  const model = new T5ForConditionalGeneration(parseT5Config({ ...TINY, ...config }, "golden"));
  fillHashed(model.parameters());
  return model;
};
const GOLDEN = () => ({
  inputIds: ints(SOURCE),
  attentionMask: maskOf(SOURCE, 0),
  decoderInputIds: ints([
    [0, 4, 6],
    [0, 9, 3],
  ]),
});
const logitsOf = async (model: T5ForConditionalGeneration, inputs: ModelArguments): Promise<Float32Array> => {
  const { logits } = await model(inputs);
  return (await logits.data()) as Float32Array;
};
const expectNear = (actual: ArrayLike<number>, wanted: readonly number[], bound: number): void => {
  for (const [i, x] of wanted.entries()) expect(Math.abs(actual[i]! - x)).toBeLessThan(bound);
};

describe.each(["compiled", "eager"] as const)("T5, %s", (engine) => {
  beforeAll(async () => {
    await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
    expect(engineInfo()?.engine).toBe(engine);
  });
  afterAll(async () => {
    await useEngine("eager");
  });

  it("gives the golden values of version 1.0: encoder, logits, loss", async () => {
    expect(fnv1a("abc")).toBe(440920331);
    const model = tiny();
    const encode = compile((inputIds, attentionMask) =>
      model.encode({ inputIds: inputIds!, attentionMask: attentionMask! }),
    );
    const encoded = await (await encode(ints(SOURCE), maskOf(SOURCE, 0))).data();
    expect(Math.abs(sumOfMagnitudes(encoded) - 323.682383)).toBeLessThan(1e-3);
    expectNear(encoded, [-1.815548, -0.202803, 0.063971, -1.441289], 1e-4);
    const logits = await logitsOf(model, GOLDEN());
    expect(Math.abs(sumOfMagnitudes(logits) - 28.221358)).toBeLessThan(1e-4);
    expectNear(logits, [-0.044151, 0.032103, 0.138644, 0.219537], 1e-4);
    expectNear(logits.slice(48), [-0.065433, 0.063197, 0.259299, -0.248602], 1e-4);
    expectNear(logits.slice(5 * 24), [-0.452807, 0.022038, 0.30618, -0.202781], 1e-4);
    const labels = ints([
      [4, 6, 1],
      [9, 3, 1],
    ]);
    const { decoderInputIds: _, ...others } = GOLDEN();
    const { loss } = await stepOf(model, { ...others, labels }, new Map([["w", model.shared.weight]]));
    expect(Math.abs(loss - 3.30079458)).toBeLessThan(1e-5);
  });

  it("gives the golden values of version 1.1: encoder, logits, loss", async () => {
    const json = { vocab_size: 50, d_model: 32, d_kv: 8, num_heads: 4, d_ff: 64, num_layers: 2, dropout_rate: 0 };
    const config = parseT5Config({ ...json, feed_forward_proj: "gated-gelu", tie_word_embeddings: false }, "golden");
    const model = new T5ForConditionalGeneration(config);
    fillGolden(model.parameters());
    const source = [
      [5, 7, 9, 11, 1, 0],
      [12, 13, 14, 15, 16, 1],
    ];
    const labels = ints([
      [3, 4, 1],
      [8, 1, -100],
    ]);
    const batch = { inputIds: ints(source), attentionMask: maskOf(source, 0), labels };
    const { logits, loss } = await stepOf(model, batch, new Map([["w", model.shared.weight]]));
    expectNear(logits, [1.290366, -0.049853, 0.36574, 0.194659], 1e-5);
    expectNear(logits.slice(4 * 50), [-0.2408, 0.265282, 1.050276, 0.437513], 1e-5);
    expect(Math.abs(loss - 4.413003)).toBeLessThan(1e-5);
  });

  it("needs the factor d_model^-0.5 of version 1.0: without it the logits are sqrt(8) times as large", async () => {
    const scaled = await logitsOf(tiny(), GOLDEN());
    const unscaled = await logitsOf(tiny({ scale_decoder_outputs: false }), GOLDEN());
    for (const [i, x] of scaled.entries()) expect(Math.abs(unscaled[i]! - x * Math.sqrt(8))).toBeLessThan(1e-5);
  });

  it.each(["v1.0", "v1.1"])(
    "equals Hugging Face's on %s: encoder, logits, loss, gradients, five steps",
    async (name) => {
      const fixture = readFixture(FOLDER, name);
      const model = await T5ForConditionalGeneration.fromPretrained(join(FOLDER, name));
      const trained = model.parameters();
      const names = [...fixture.tensors.keys()].filter((key) => !key.includes("."));
      const batch = Object.fromEntries(names.map((key) => [key, fixture.input(key)]));
      const { inputIds, attentionMask } = batch;
      const encode = compile((ids, mask) => model.encode({ inputIds: ids!, attentionMask: mask! }));
      const encoded = await (await encode(inputIds!, attentionMask!)).data();
      const { loss, logits, gradients } = await stepOf(model, batch, trained);
      const found = new Map<string, ArrayLike<number>>([
        ["encoded", encoded],
        ["logits", logits],
        ["loss", [loss]],
      ]);
      expectClose(found, fixture.group("output"), BOUNDS.outputs);

      const wanted = fixture.group("grad");
      expect([...gradients.keys()].sort()).toEqual([...wanted.keys()].sort());
      expectClose(gradients, wanted, BOUNDS.gradients, { floor: gradientFloor(wanted.values()) });

      const settings = fixtureTraining(fixture.info.optimizer as FixtureOptimizer);
      const { losses, before, after } = await trainSteps(model, batch, trained, settings);
      expectClose(
        new Map([["losses", losses]]),
        new Map([["losses", fixture.info.losses as number[]]]),
        BOUNDS.outputs,
      );
      for (const [key, delta] of fixture.group("delta")) {
        expect(changeError(before.get(key)!, after.get(key)!, delta), key).toBeLessThan(BOUNDS.steps);
      }
      model.dispose();
    },
  );

  it("computes what Python's PEFT does with an adapter that it wrote", async () => {
    const fixture = readFixture(FOLDER, "lora");
    const host = await T5ForConditionalGeneration.fromPretrained(join(FOLDER, "v1.0"));
    const model = await PeftModel.fromPretrained(host, join(FOLDER, "lora"));
    const batch = Object.fromEntries(
      ["inputIds", "attentionMask", "labels"].map((key) => [key, fixture.input(key)] as const),
    );
    const { loss, logits } = await stepOf(model, batch, new Map([["w", host.shared.weight]]));
    const found = new Map<string, ArrayLike<number>>([
      ["logits", logits],
      ["loss", [loss]],
    ]);
    expectClose(found, fixture.group("output"), BOUNDS.outputs);
  });

  it("does not see padding, nor a decoder token that comes later", async () => {
    const model = tiny();
    const plain = await logitsOf(model, GOLDEN());
    const padded = SOURCE.map((row) => [...row, 0, 0, 0]);
    const { decoderInputIds } = GOLDEN();
    const more = await logitsOf(model, { inputIds: ints(padded), attentionMask: maskOf(padded, 0), decoderInputIds });
    expectNear(more, [...plain], 1e-5);
    const later = ints([
      [0, 4, 20],
      [0, 9, 21],
    ]);
    const changed = await logitsOf(model, { ...GOLDEN(), decoderInputIds: later });
    for (const row of [0, 1]) {
      const places = [row * 72, row * 72 + 48] as const;
      expectNear(changed.slice(...places), [...plain.slice(...places)], 1e-6);
    }
  });

  it("drops out in training only, differently at each step and alike for the same", async () => {
    const model = tiny({ dropout_rate: 0.1 });
    const batch = [ints(SOURCE), maskOf(SOURCE, 0), GOLDEN().decoderInputIds] as const;
    const train = compile((inputIds, attentionMask, decoderInputIds) =>
      inTraining(() => {
        return model.forward({
          inputIds: inputIds!,
          attentionMask: attentionMask!,
          decoderInputIds: decoderInputIds!,
        }).logits;
      }),
    );
    const at = async (step: number) => (await train.at({ seed: 1, step })(...batch)).data();
    expect(await at(1)).toEqual(await at(1));
    expect(await at(2)).not.toEqual(await at(1));
    expect(await logitsOf(model, GOLDEN())).toEqual(await logitsOf(model, GOLDEN()));
  });

  it("has the same logits and gradients with dropout that drops nothing as without", async () => {
    const run = (rate: number) => {
      const model = tiny({ dropout_rate: rate });
      const { decoderInputIds: labels, ...source } = GOLDEN();
      return stepOf(model, { ...source, labels }, model.parameters());
    };
    // So small a rate that no number is below it, and no sum is scaled.
    const [live, without] = [await run(1e-9), await run(0)];
    expectNear(live.logits, [...without.logits], 1e-5);
    const floor = gradientFloor(without.gradients.values());
    expectClose(live.gradients, without.gradients, BOUNDS.gradients, { floor });
  });

  it("has one matrix for encoder, decoder and head, where the head is tied", async () => {
    const model = tiny();
    expect([...model.parameters().keys()].filter((name) => /embed_tokens|lm_head/.test(name))).toEqual([]);
    const before = await logitsOf(model, GOLDEN());
    const numbers = (await model.shared.weight.read()) as Float32Array;
    // Token 23 is in no input, so that only its logit moves.
    numbers.subarray(23 * 8, 24 * 8).fill(0);
    await model.shared.weight.write(numbers);
    const after = await logitsOf(model, GOLDEN());
    for (const [i, x] of after.entries()) {
      if (i % 24 === 23) expect(x).toBe(0);
      else expect(x).toBe(before[i]);
    }
    numbers.subarray(4 * 8, 5 * 8).fill(0);
    await model.shared.weight.write(numbers);
    expect((await logitsOf(model, GOLDEN()))[24]).not.toBe(before[24]);
  });

  it("keeps old rows bit for bit when its vocabulary grows, and gives logits for the new ones", async () => {
    const model = tiny();
    const before = (await model.shared.weight.read()) as Float32Array;
    const logits = await logitsOf(model, GOLDEN());
    await model.resizeTokenEmbeddings(30);
    const after = (await model.shared.weight.read()) as Float32Array;
    expect(after.slice(0, before.length)).toEqual(before);
    expect(after.slice(before.length).every((x) => x !== 0)).toBe(true);
    const more = await logitsOf(model, GOLDEN());
    expect(more).toHaveLength(6 * 30);
    for (let place = 0; place < 6; place++) {
      expectNear(more.slice(place * 30, place * 30 + 24), [...logits.slice(place * 24, place * 24 + 24)], 1e-6);
    }
    expect(model.config.vocabSize).toBe(30);
    await expect(model.resizeTokenEmbeddings(0)).rejects.toThrow(/no number of tokens/);
  });
});

describe("T5's numbers", () => {
  const countOf = (json: object): number => {
    const model = new T5ForConditionalGeneration(parseT5Config(json, "sizes"));
    return [...model.parameters().values()].reduce((sum, { size }) => sum + size, 0);
  };

  it("are as many as the originals have, each storage counted once", () => {
    const base = { d_model: 768, d_ff: 3072, num_layers: 12, num_heads: 12 };
    expect(countOf(TINY)).toBe(3744);
    expect(countOf(base)).toBe(222_903_552);
    expect(countOf({ ...base, vocab_size: 32200 })).toBe(222_958_848);
    const gated = { feed_forward_proj: "gated-gelu", tie_word_embeddings: false, d_kv: 64, num_layers: 24 };
    expect(countOf({ ...gated, d_model: 1024, num_heads: 16, d_ff: 2816 })).toBe(783_150_080);
    expect(countOf({ ...gated, d_model: 2048, num_heads: 32, d_ff: 5120 })).toBe(2_849_757_184);
    expect(countOf({ ...gated, d_model: 4096, num_heads: 64, d_ff: 10240 })).toBe(11_135_332_352);
  });

  it("have the buckets of relative positions that transformers has", () => {
    const { tensors } = readFixture(FOLDER, "buckets");
    expect(tensors.size).toBe(4);
    for (const [name, { data }] of tensors) {
      const [side, count, maxDistance] = name.split(".");
      const buckets = {
        count: Number(count),
        maxDistance: Number(maxDistance),
        bidirectional: side === "bidirectional",
      };
      expect(
        Int32Array.from({ length: 401 }, (_, i) => bucketOf(i - 200, buckets)),
        name,
      ).toEqual(data);
    }
  });
});
