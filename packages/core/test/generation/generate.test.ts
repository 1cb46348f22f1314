import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inPlaceUpdates } from "../../src/engine/inPlace.js";
import { trace } from "../../src/engine/trace.js";
import { CachedDecoder } from "../../src/generation/decoder.js";
import {
  AttentionCache,
  adamW,
  BartForConditionalGeneration,
  engineInfo,
  type GenerateOptions,
  generate,
  getPeftModel,
  LoraConfig,
  parseViTConfig,
  type Seq2SeqModel,
  T5ForConditionalGeneration,
  useEngine,
  ViTForImageClassification,
} from "../../src/index.js";
import { readFixture, trainSteps } from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";
import { ints, maskOf } from "../models/seq2seqSupport.js";
import { BART_SOURCE, generationFixture, optionsOf, T5_SOURCE, tinyBart, tinyT5, upToEnd } from "./support.js";

const LOADERS: Record<string, (folder: string) => Promise<Seq2SeqModel>> = {
  "t5-v1.0": (folder) => T5ForConditionalGeneration.fromPretrained(folder),
  "t5-v1.1": (folder) => T5ForConditionalGeneration.fromPretrained(folder),
  "bart-generation": (folder) => BartForConditionalGeneration.fromPretrained(folder),
};

describe.each(["compiled", "eager"] as const)("generation, %s", (engine) => {
  beforeAll(async () => {
    await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
    expect(engineInfo()?.engine).toBe(engine);
  });
  afterAll(async () => {
    await useEngine("eager");
  });

  it.each(Object.keys(LOADERS))("gives transformers' tokens and scores on %s, for every setting", async (name) => {
    const { info, input } = generationFixture(name);
    const model = await LOADERS[name]!(join(FIXTURES, "generation", info.host));
    for (const { options, sequences, scores } of info.cases) {
      const settings = optionsOf(options);
      const found = await generate(
        model,
        { inputIds: input("inputIds"), attentionMask: input("attentionMask") },
        settings,
      );
      const ends = settings.eosTokenIds ?? model.generationConfig.eosTokenIds ?? [];
      const message = `${name}, ${JSON.stringify(options)}`;
      expect(
        found.sequences.map((tokens) => upToEnd(tokens, ends)),
        message,
      ).toEqual(sequences.map((tokens) => upToEnd(tokens, ends)));
      expect(found.sequences[0]!.length, message).toBe(sequences[0]!.length);
      for (const [i, score] of (scores ?? []).entries()) {
        expect(Math.abs(found.scores![i]! - score), message).toBeLessThan(1e-5 * Math.max(1, Math.abs(score)));
      }
    }
    model.dispose();
  });

  it("gives the golden sequences of BART: greedy, without repeated runs, with beams", async () => {
    const model = tinyBart();
    const run = (options: object) =>
      generate(model, { inputIds: ints(BART_SOURCE) }, { maxLength: 8, forcedEosTokenId: 2, ...options });
    const same = [2, 6, 6, 6, 6, 6, 6, 2];
    expect((await run({})).sequences).toEqual([same, same]);
    const blocked = [2, 6, 6, 6, 1, 1, 1, 2];
    expect((await run({ noRepeatNgramSize: 3 })).sequences).toEqual([blocked, blocked]);
    const beams = await run({ noRepeatNgramSize: 3, numBeams: 3, earlyStopping: true });
    expect(beams.sequences).toEqual([blocked, [2, 6, 6, 6, 1, 6, 6, 2]]);
    expect(beams.scores![0]).toBeCloseTo(-1.495, 3);
    expect(beams.scores![1]).toBeCloseTo(-1.4823, 4);
  });

  it("gives the golden sequences of T5: greedy and with beams", async () => {
    const model = tinyT5();
    const inputs = { inputIds: ints(T5_SOURCE), attentionMask: maskOf(T5_SOURCE, 0) };
    const greedy = await generate(model, inputs, { maxLength: 8 });
    expect(greedy.sequences).toEqual([
      [0, 17, 17, 17, 17, 22, 19, 19],
      [0, 2, 8, 20, 17, 17, 17, 17],
    ]);
    const beams = await generate(model, inputs, { maxLength: 8, numBeams: 3 });
    expect(beams.sequences).toEqual([
      [0, 17, 17, 17, 17, 22, 19, 19],
      [0, 22, 17, 17, 17, 17, 17, 17],
    ]);
    expect(beams.scores![0]).toBeCloseTo(-2.6492, 4);
    expect(beams.scores![1]).toBeCloseTo(-2.5493, 4);
  });

  it("chooses by the logits that the whole sequence gives without a cache, within 1e-4", async () => {
    for (const [model, inputIds] of [
      [tinyT5(), ints(T5_SOURCE)],
      [tinyBart(), ints(BART_SOURCE)],
    ] as const) {
      const { sequences } = await generate(model, { inputIds }, { maxLength: 9, doSample: true, topK: 0, seed: 3 });
      const attentionMask = maskOf(
        model instanceof T5ForConditionalGeneration ? T5_SOURCE : BART_SOURCE,
        model.tokens.padTokenId,
      );
      const whole = await model({ inputIds, attentionMask, decoderInputIds: ints(sequences) });
      const wanted = (await whole.logits.data()) as Float32Array;
      const source = inputIds.shape[1]!;
      const decoder = new CachedDecoder(model, { batch: 2, rows: 2, source, length: 16 });
      await decoder.read({ inputIds, attentionMask });
      for (let position = 0; position < sequences[0]!.length; position++) {
        const newest = sequences.map((tokens) => tokens[position]!);
        const rows = await decoder.step({ attentionMask }, newest, position);
        for (const [row, logits] of rows.entries()) {
          const from = (row * sequences[0]!.length + position) * logits.length;
          for (const [i, x] of logits.entries()) expect(Math.abs(x - wanted[from + i]!)).toBeLessThan(1e-4);
        }
      }
    }
  });

  it("draws the same tokens for the same seed, others for another, and likely ones only where it is told to", async () => {
    const model = tinyT5();
    const run = async (options: object) =>
      (await generate(model, { inputIds: ints(T5_SOURCE) }, { maxLength: 16, doSample: true, ...options })).sequences;
    expect(await run({ seed: 1 })).toEqual(await run({ seed: 1 }));
    expect(await run({ seed: 2 })).not.toEqual(await run({ seed: 1 }));
    const greedy = (await generate(model, { inputIds: ints(T5_SOURCE) }, { maxLength: 16 })).sequences;
    expect(await run({ topK: 1 })).toEqual(greedy);
    expect(await run({ topP: 1e-6 })).toEqual(greedy);
    expect(await run({ temperature: 1e-4 })).toEqual(greedy);
  });

  it("pads what has ended, stops when all have, and shows tokens as they come", async () => {
    const { info, input } = generationFixture("t5-v1.1");
    const model = await LOADERS["t5-v1.1"]!(join(FIXTURES, "generation", info.host));
    const shown: (readonly number[])[] = [];
    const inputs = { inputIds: input("inputIds"), attentionMask: input("attentionMask") };
    const { sequences } = await generate(model, inputs, {
      maxNewTokens: 14,
      eosTokenIds: [4],
      onTokens: (tokens) => shown.push(tokens),
    });
    expect(sequences[2]!.slice(0, 6)).toEqual([0, 22, 36, 23, 4, 0]);
    expect(sequences.map((_, row) => [0, ...shown.map((tokens) => tokens[row]!)])).toEqual(sequences);
    const all = await generate(model, inputs, { maxNewTokens: 14, eosTokenIds: [22, 13] });
    expect(all.sequences).toEqual([
      [0, 22],
      [0, 13],
      [0, 22],
    ]);
  });

  it("leaves no tensors behind", async () => {
    const model = tinyBart();
    const run = (options: object) => generate(model, { inputIds: ints(BART_SOURCE) }, { maxLength: 6, ...options });
    await run({});
    await run({ numBeams: 2 });
    const before = tf.memory().numTensors;
    await run({});
    await run({ numBeams: 2 });
    expect(tf.memory().numTensors).toBeLessThanOrEqual(before);
  });

  it("takes a model's adapters along, and leaves them out where they are disabled", async () => {
    const bare = await generate(tinyT5(), { inputIds: ints(T5_SOURCE) }, { maxLength: 8, numBeams: 2 });
    const model = getPeftModel(
      tinyT5(),
      new LoraConfig({ r: 2, initLoraWeights: false, targetModules: ["q", "v", "wo"] }),
    );
    for (const parameter of model.trainableParameters().values()) {
      const numbers = (await parameter.read()) as Float32Array;
      await parameter.write(numbers.map((x) => 3 * x));
    }
    const run = () => generate(model, { inputIds: ints(T5_SOURCE) }, { maxLength: 8, numBeams: 2 });
    const adapted = await run();
    expect(adapted.sequences).not.toEqual(bare.sequences);
    expect(await model.disableAdapter(run)).toEqual(bare);
    expect(await run()).toEqual(adapted);
    await model.merge();
    const merged = await run();
    expect(merged.sequences).toEqual(adapted.sequences);
    expect(merged.scores![0]).toBeCloseTo(adapted.scores![0]!, 4);
  });

  it("gives the model what else it reads, at a step once for each beam, and nothing of a training batch", async () => {
    const model = tinyT5();
    const seen: Record<string, readonly number[]>[] = [];
    const { forward } = model;
    model.forward = (inputs) => {
      seen.push(Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, shape])));
      return forward.call(model, inputs);
    };
    const task = { data: Int32Array.of(5, 6), shape: [2], dtype: "int32" as const };
    const labels = ints([[3], [4]]);
    const inputs = { inputIds: ints(T5_SOURCE), task, labels, decoderAttentionMask: labels };
    await generate(model, inputs, { maxLength: 3, numBeams: 3 });
    const [read, step] = seen;
    expect(read).toEqual({ inputIds: [2, 32], attentionMask: [2, 32], task: [2], decoderInputIds: [2, 1] });
    expect(step).toEqual({ attentionMask: [2, 32], task: [6], decoderInputIds: [6, 1] });
  });

  it("stops where it is aborted, and can be called again", async () => {
    const model = tinyT5();
    const controller = new AbortController();
    const inputs = { inputIds: ints(T5_SOURCE) };
    const stopped = generate(model, inputs, {
      maxLength: 100,
      eosTokenIds: [],
      signal: controller.signal,
      onTokens: (_, step) => step === 2 && controller.abort(),
    });
    await expect(stopped).rejects.toThrow(expect.objectContaining({ name: "AbortError" }));
    expect((await generate(model, inputs, { maxLength: 8 })).sequences[0]).toEqual([0, 17, 17, 17, 17, 22, 19, 19]);
  });

  it("lets two calls go on at the same time", async () => {
    const model = tinyT5();
    const one = { inputIds: ints([T5_SOURCE[0]!]) };
    const other = { inputIds: ints([T5_SOURCE[1]!]) };
    const [first, second] = await Promise.all([one, other].map((inputs) => generate(model, inputs, { maxLength: 8 })));
    expect(first!.sequences).toEqual([[0, 17, 17, 17, 17, 22, 19, 19]]);
    expect(second!.sequences).toEqual([[0, 2, 8, 20, 17, 17, 17, 17]]);
  });

  it("does not mind settings of drawing that would draw nothing where nothing is drawn", async () => {
    const model = tinyBart();
    const inputs = { inputIds: ints(BART_SOURCE) };
    const wanted = await generate(model, inputs, { maxLength: 8 });
    expect(await generate(model, inputs, { maxLength: 8, temperature: 0, topP: 0 })).toEqual(wanted);
  });

  it("starts from the beginning token where no start token is named, as transformers does", async () => {
    const inputs = { inputIds: ints(BART_SOURCE) };
    const start = async (options: GenerateOptions) =>
      (await generate(tinyBart(), inputs, { maxLength: 3, ...options })).sequences[0]![0];
    expect(await start({ bosTokenId: 5 })).toBe(2);
    expect(await start({ bosTokenId: 5, decoderStartTokenId: undefined })).toBe(5);
    expect(await start({ bosTokenId: undefined, decoderStartTokenId: undefined })).toBe(2);
  });

  it("refuses settings that do not fit, and models that do not generate", async () => {
    const model = tinyBart();
    const inputs = { inputIds: ints(BART_SOURCE) };
    await expect(generate(model, inputs, { maxLength: 17 })).rejects.toThrow(/numbers 16 tokens/);
    await expect(generate(model, inputs, { maxLength: 1 })).rejects.toThrow(/no room/);
    await expect(generate(model, inputs, { numBeams: 2, doSample: true })).rejects.toThrow(/numBeams, doSample/);
    await expect(generate(model, inputs, { numBeams: 2, onTokens: () => {} })).rejects.toThrow(/onTokens/);
    await expect(generate(model, inputs, { doSample: true, temperature: 0 })).rejects.toThrow(/temperature/);
    for (const name of ["forcedBosTokenId", "forcedEosTokenId", "padTokenId", "decoderStartTokenId"]) {
      for (const id of [24, -1, 1.5]) {
        await expect(generate(model, inputs, { [name]: id })).rejects.toMatchObject({
          code: "ARGUMENT_INVALID",
          message: expect.stringContaining(`${name} ${id} is none of the 24 tokens`),
        });
      }
    }
    await expect(generate(model, inputs, { doSample: true, topP: 0 })).rejects.toThrow(/topP/);
    await expect(generate(model, { ...inputs, attentionMask: ints([[1], [1]]) })).rejects.toThrow(
      /\[2,1\] does not fit/,
    );
    await expect(generate(model, {}, {})).rejects.toThrow(/inputIds/);
    const vision = new ViTForImageClassification(
      parseViTConfig({ hidden_size: 8, num_attention_heads: 2, num_hidden_layers: 1, intermediate_size: 8 }, "test"),
    );
    await expect(generate(vision, inputs)).rejects.toThrow(/encoder-decoder/);
  });
});

describe("generation on the compiled engine", () => {
  it("is traced twice for all calls whose lengths are rounded up to the same sizes", async () => {
    await useEngine("compiled", { threads: 2 });
    const model = tinyT5();
    let traces = 0;
    const { forward } = model;
    model.forward = (inputs) => {
      traces++;
      return forward.call(model, inputs);
    };
    for (const [tokens, maxLength] of [
      [24, 8],
      [20, 12],
      [17, 16],
      [32, 3],
    ] as const) {
      const inputIds = ints([Array.from({ length: tokens }, (_, i) => 2 + (i % 20))]);
      await generate(model, { inputIds }, { maxLength });
    }
    // Once for reading the source, once for the step.
    expect(traces).toBe(2);
    await generate(model, { inputIds: ints([[5, 6, 1]]) }, { maxLength: 40 });
    expect(traces).toBe(4);
    await useEngine("eager");
  });

  it("gives what an adapter has learnt by heart, greedily and with beams", async () => {
    await useEngine("compiled", { threads: 2 });
    const folder = join(FIXTURES, "t5");
    const { input } = readFixture(folder, "v1.1");
    const host = await T5ForConditionalGeneration.fromPretrained(join(folder, "v1.1"));
    const model = getPeftModel(host, new LoraConfig({ r: 8, targetModules: "all-linear", modulesToSave: ["lm_head"] }));
    const targets = [
      [5, 9, 7, 1, -100],
      [22, 3, 1, -100, -100],
      [6, 8, 30, 4, 1],
    ];
    const source = { inputIds: input("inputIds"), attentionMask: input("attentionMask") };
    const settings = { optimizer: adamW(), learningRate: 2e-2, weightDecay: 0, steps: 120 };
    const batch = { ...source, labels: ints(targets) };
    const { losses } = await trainSteps(model, batch, model.trainableParameters(), settings);
    expect(losses.at(-1)).toBeLessThan(losses[0]! / 10);
    for (const numBeams of [1, 3]) {
      const { sequences } = await generate(model, source, { numBeams });
      expect(sequences).toEqual(targets.map((tokens) => [0, ...tokens.map((id) => (id === -100 ? 0 : id))]));
    }
    await useEngine("eager");
  });

  it("writes its cache over the old one while a step runs", async () => {
    await useEngine("compiled", { threads: 2 });
    const model = tinyT5();
    const cache = new AttentionCache(4, 16);
    const spec = (shape: number[]) => ({ shape, dtype: "int32" as const });
    trace([spec([2, 8]), spec([2, 8])], ([inputIds, attentionMask]) => {
      const decoderInputIds = tf.zeros([2, 1], "int32");
      return [
        cache.fill(() => model.forward({ inputIds: inputIds!, attentionMask: attentionMask!, decoderInputIds })).logits,
      ];
    });
    const graph = trace([spec([2, 8]), spec([4, 1]), spec([1]), spec([4])], ([mask, ids, position, order]) => {
      const inputs = { attentionMask: mask!, decoderInputIds: ids! };
      return [cache.step({ position: position!, order: order! }, () => model.forward(inputs)).logits];
    });
    expect(graph.assignments).toHaveLength(4);
    expect(inPlaceUpdates(graph).size).toBe(4);
    await useEngine("eager");
  });
});
