// The methods on a host with a layer of every kind.
import { beforeAll, describe, expect, it } from "vitest";
import { getPeftModel, IA3Config, LoraConfig, type LoraFields, type PeftConfig } from "../../src/index.js";
import {
  describePeftMethod,
  expectClose,
  fillGolden,
  goldenArray,
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
