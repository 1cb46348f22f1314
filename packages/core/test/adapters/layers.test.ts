// The methods on a host with a layer of every kind.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { Dora } from "../../src/adapters/lora/dora.js";
import {
  Conv2d,
  ConvLora,
  compile,
  conv2d,
  getPeftModel,
  IA3Config,
  inTraining,
  Linear,
  LinearLora,
  LoraConfig,
  type LoraFields,
  namedModules,
  nameModules,
  type PeftConfig,
  PeftModel,
  readSafetensors,
  writeSafetensors,
} from "../../src/index.js";
import {
  describePeftMethod,
  expectClose,
  fillGolden,
  goldenArray,
  readAll,
  SMALL_HOST,
  SmallHost,
} from "../../src/testing/index.js";

const { channels, size, words, length, width, inner, classes } = SMALL_HOST;
const host = (): SmallHost => {
  const model = new SmallHost();
  fillGolden(model.parameters());
  return model;
};
const batch = {
  pixelValues: {
    data: goldenArray(7, 2 * channels * size * size, 1),
    shape: [2, channels, size, size],
    dtype: "float32" as const,
  },
  inputIds: { data: Int32Array.of(1, 4, 10, 4, 0, 7, 7, 3, 1, 2), shape: [2, length], dtype: "int32" as const },
  labels: { data: Int32Array.of(0, 3), shape: [2], dtype: "int32" as const },
};
const head = width * classes + classes;
const [r, D] = [4, width];
const lora = (fields: Partial<LoraFields>) => new LoraConfig({ r, loraAlpha: 2 * r, ...fields });
const stem = r * (channels * 9 + 6);
const mix = r * (6 + D);
const grouped = r * D * 9 + (D * r) / 2;
const embedding = r * (words + D);
const linears = r * 2 * (D + inner);

const METHODS: [string, PeftConfig, number, { identity?: boolean | "rounded" }?][] = [
  ["LoRA on convolutions", lora({ targetModules: ["stem", "mix"] }), stem + mix + head],
  ["LoRA on a convolution in groups", lora({ targetModules: ["grouped", "stem"] }), grouped + stem + head],
  ["LoRA on an embedding", lora({ targetModules: ["words"] }), embedding + head],
  [
    "LoRA with biases of its own",
    lora({ targetModules: ["stem", "fc1"], loraBias: true, bias: "lora_only" }),
    stem + r * (D + inner) + 2 * (6 + inner) + head,
  ],
  [
    "LoRA from an orthogonal start",
    lora({ targetModules: "all-linear", initLoraWeights: "orthogonal" }),
    linears + head,
    { identity: "rounded" },
  ],
  [
    "DoRA on every kind of layer",
    lora({ useDora: true, targetModules: ["stem", "mix", "words", "fc1", "fc2"] }),
    stem + mix + embedding + linears + 6 + D + D + inner + D + head,
    { identity: "rounded" },
  ],
  [
    "DoRA with random A and B",
    lora({ useDora: true, initLoraWeights: false, targetModules: ["mix", "words", "fc1"] }),
    mix + embedding + r * (D + inner) + D + D + inner + head,
    { identity: false },
  ],
  [
    "(IA)3 on outputs and inputs",
    new IA3Config({
      targetModules: ["stem", "mix", "grouped", "fc1", "fc2"],
      feedforwardModules: ["mix", "grouped", "fc2"],
    }),
    6 + 6 + D + inner + inner + head,
  ],
  [
    "(IA)3 with random vectors and no head",
    new IA3Config({ targetModules: "all-linear", modulesToSave: null, initIa3Weights: false }),
    inner + D,
    { identity: false },
  ],
];

for (const [name, config, trainable, options] of METHODS) {
  describePeftMethod(name, { host, config, batch, trainable, ...options }, { describe, it, beforeAll });
}

describe("LoRA", () => {
  it("names the layer that it is not for, or not with this rank or start", () => {
    const attach = (fields: Partial<LoraFields>) => () => getPeftModel(host(), lora(fields));
    expect(attach({ targetModules: ["norm"] })).toThrow(/"norm" is a LayerNorm/);
    expect(attach({ targetModules: ["grouped"], r: 3 })).toThrow(/rank of 3 .* 2 groups.*\(grouped\)/);
    expect(attach({ targetModules: ["grouped"], useDora: true })).toThrow(/grouped is a convolution in groups/);
    expect(attach({ targetModules: ["words"], loraBias: true })).toThrow(/loraBias is not for embeddings \(words\)/);
    expect(attach({ targetModules: ["stem"], initLoraWeights: "orthogonal" })).toThrow(/for linear layers \(stem\)/);
    expect(attach({ targetModules: ["fc1"], initLoraWeights: "orthogonal", r: 3 })).toThrow(/even rank, and "fc1"/);
    expect(() => lora({ loraBias: true, useDora: true })).toThrow(/loraBias cannot be used with useDora/);
    expect(() => lora({ loraBias: true, initLoraWeights: "gaussian" })).toThrow(/loraBias needs/);
  });

  it("leaves the host as it was where one of several layers cannot be adapted", () => {
    const bare = host();
    const modules = [...namedModules(bare)];
    for (const fields of [
      { useDora: true },
      { r: 3 },
      { loraBias: true },
      { initLoraWeights: "orthogonal" as const },
    ]) {
      const config = lora({ targetModules: ["stem", "fc1", "grouped", "words"], ...fields });
      expect(() => getPeftModel(bare, config)).toThrow(expect.objectContaining({ code: "TARGET_UNSUPPORTED" }));
      for (const [i, [path, module]] of [...namedModules(bare)].entries()) {
        expect([path, module === modules[i]![1]]).toEqual([modules[i]![0], true]);
      }
    }
  });

  it("says which layer cannot hold a bias or an update of groups when merged", async () => {
    const biased = getPeftModel(host(), lora({ targetModules: ["fc2"], loraBias: true }));
    await expect(biased.merge()).rejects.toThrow(/fc2 has no bias/);
    const grouped = getPeftModel(host(), lora({ targetModules: ["grouped"] }));
    await expect(grouped.merge()).rejects.toThrow(/grouped is a convolution in groups/);
  });

  it("with DoRA starts with the norms of the weights, on a host that has run and on one that has not", async () => {
    const config = lora({ useDora: true, targetModules: ["stem", "words", "fc1"], initLoraWeights: false });
    const magnitudes = async (runsFirst: boolean) => {
      const bare = host();
      if (runsFirst) (await bare({ pixelValues: batch.pixelValues, inputIds: batch.inputIds })).logits.dispose();
      const model = getPeftModel(bare, config);
      const found = [...model.adapterParameters()].filter(([key]) => key.endsWith("lora_magnitude_vector"));
      const numbers = await Promise.all(found.map(([, parameter]) => parameter.read()));
      model.dispose();
      return new Map(found.map(([key], i) => [key, numbers[i]!]));
    };
    const [before, after] = [await magnitudes(false), await magnitudes(true)];
    expect([...before.keys()]).toEqual(["stem", "words", "fc1"].map((path) => `${path}.lora_magnitude_vector`));
    expectClose(after, before, 1e-6);
  });
});

describe("LoRA on convolutions of any window", () => {
  it.each([
    [{ kernel: [3, 2] as const, stride: 2, padding: [1, 0] as const, dilation: [2, 1] as const }],
    [{ kernel: [1, 1] as const, stride: 2 }],
    [{ kernel: [4, 4] as const, stride: 4 }],
    [{ kernel: [2, 3] as const, padding: 2, dilation: 2 }],
  ])("%j adds what its merged weight does, with DoRA and without", async (windows) => {
    const base = new Conv2d(3, 4, windows);
    nameModules(base, "base");
    base.weight.adopt(goldenArray(1, base.weight.size, 0.5));
    base.bias!.adopt(goldenArray(2, 4, 0.5));
    const options = { r: 2, alpha: 3, useRslora: false, dropout: 0, bias: false, init: false as const, seed: 1 };
    const layer = new ConvLora(base, options);
    nameModules(layer, "base");
    const dora = new Dora(layer);
    Dora.start([dora]);
    await dora.magnitude.write((await dora.magnitude.read()).map((x, i) => x * (1 + i / 4)) as Float32Array);
    for (const update of [layer, dora]) {
      const both = compile((x) => [
        update.apply((given) => base.forward(given), x!),
        conv2d(x!, update.mergedWith(base.weight.value()), base.bias!.value(), base.windows),
      ]);
      const x = { data: goldenArray(3, 2 * 3 * 9 * 8, 1), shape: [2, 3, 9, 8], dtype: "float32" as const };
      const [active, merged] = (await both(x)) as [tf.Tensor, tf.Tensor];
      expectClose(new Map([["y", await active.data()]]), new Map([["y", await merged.data()]]), 1e-6);
      tf.dispose([active, merged]);
    }
  });
});

describe("DoRA in a training step", () => {
  it("stretches the layer's part of the dropped input, and leaves the layer itself as it is", async () => {
    const rate = 0.25;
    const base = new Linear(D, D, {
      init: () => Float32Array.from({ length: D * D }, (_, i) => Number(i % (D + 1) === 0)),
    });
    const options = { r: 2, alpha: 2, useRslora: false, dropout: rate, bias: false, init: true as const, seed: 1 };
    const layer = new LinearLora(base, options);
    nameModules(layer, "base");
    const dora = new Dora(layer);
    Dora.start([dora]);
    await dora.magnitude.write(new Float32Array(D).fill(3));
    const step = compile((x) => inTraining(() => dora.apply((given) => base.forward(given), x!)));
    const data = goldenArray(3, 100 * D, 1).map((x) => x + 2);
    const y = await step({ data, shape: [100, D], dtype: "float32" });
    // The weight is the identity, its norms are 1 and the magnitudes 3: y = x + 2 dropout(x).
    const added = (await y.data()).map((value, i) => (value - data[i]!) / (2 * data[i]!));
    const kept = added.filter((x) => Math.abs(x - 1 / (1 - rate)) < 1e-5).length;
    expect(added.filter((x) => Math.abs(x) < 1e-5).length + kept).toBe(100 * D);
    expect(Math.abs(kept / (100 * D) - (1 - rate))).toBeLessThan(0.05);
    y.dispose();
  });
});

describe("the orthogonal start of LoRA", () => {
  it("has random factors of the size of a tenth, other ones for each layer, whose product is zero", async () => {
    const model = getPeftModel(host(), lora({ targetModules: ["fc1", "fc2"], initLoraWeights: "orthogonal" }));
    const numbers = await readAll(model.adapterParameters());
    for (const [path, columns] of [
      ["fc1", D],
      ["fc2", inner],
    ] as const) {
      const [a, b] = [numbers.get(`${path}.lora_A.weight`)!, numbers.get(`${path}.lora_B.weight`)!];
      const largest = Math.max(...a.map(Math.abs));
      expect(largest).toBeGreaterThan(0.05);
      expect(largest).toBeLessThan(0.5);
      for (let i = 0; i < b.length / r; i++) {
        for (let j = 0; j < columns; j++) {
          const product = [...Array(r).keys()].reduce((sum, k) => sum + b[i * r + k]! * a[k * columns + j]!, 0);
          expect(Math.abs(product)).toBeLessThan(1e-8);
        }
      }
    }
    expect(numbers.get("fc1.lora_A.weight")!.slice(0, 8)).not.toEqual(numbers.get("fc2.lora_A.weight")!.slice(0, 8));
  });
});

describe("a file of PEFT's that repeats an embedding of the host", () => {
  it("is loaded where the embedding is the host's own, and refused where it is not", async () => {
    const folder = await mkdtemp(join(tmpdir(), "peft-"));
    const model = getPeftModel(host(), lora({ targetModules: ["words"] }));
    await model.savePretrained(folder);
    const file = join(folder, "adapter_model.safetensors");
    const tensors = await readSafetensors(file);
    const data = (await host().parameters().get("words.weight")!.read()) as Float32Array;
    const write = (numbers: Float32Array, shape: number[]) =>
      writeSafetensors(
        file,
        new Map(tensors).set("base_model.model.words.base_layer.weight", { dtype: "float32", shape, data: numbers }),
      );
    await write(data, [words, D]);
    const loaded = await PeftModel.fromPretrained(host(), folder);
    expect([...loaded.adapterParameters().keys()]).toEqual([...model.adapterParameters().keys()]);
    const mismatch = expect.objectContaining({ code: "CHECKPOINT_MISMATCH" });
    await write(data.with(3, 9), [words, D]);
    await expect(PeftModel.fromPretrained(host(), folder)).rejects.toThrow(mismatch);
    await write(new Float32Array([...data, ...data.slice(0, D)]), [words + 1, D]);
    await expect(PeftModel.fromPretrained(host(), folder)).rejects.toThrow(mismatch);
    await rm(folder, { recursive: true });
  });
});

describe("(IA)3", () => {
  it("names the layer that it is not for, and the feed-forward module that is no target", () => {
    const attach = (targetModules: string[]) => () => getPeftModel(host(), new IA3Config({ targetModules }));
    expect(attach(["words"])).toThrow(/"words" is a Embedding/);
    expect(attach(["norm"])).toThrow(/"norm" is a LayerNorm/);
    expect(() => new IA3Config({ targetModules: ["fc1"], feedforwardModules: ["fc2"] })).toThrow(/has "fc2"/);
    expect(() => IA3Config.fromJSON({ peft_type: "IA3", target_modules: ["fc1"], fan_in_fan_out: true })).toThrow(
      /Conv1D/,
    );
  });
});
