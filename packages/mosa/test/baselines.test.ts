// What MoSA is compared with.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  getPeftModel,
  type PeftConfig,
  PeftModel,
  parseSwinConfig,
  SwinForImageClassification,
  useEngine,
} from "@peft/core";
import { describePeftMethod } from "@peft/core/testing";
import { beforeAll, describe, expect, it } from "vitest";
import {
  biasTuning,
  ClsTokenConfig,
  clsToken,
  denseMixture,
  fullFineTuning,
  linearProbe,
  MlpHeadConfig,
  mlpHead,
  partialFineTuning,
  plainAdapter,
  plainLora,
  SparseAdapterConfig,
  singleSparseAdapter,
} from "../src/index.js";
import { C, D, inputs, logitsOf, readAll, tinyHost, tinySwin, train } from "./tiny.js";

const head = D * C + C;

describePeftMethod(
  "the class token",
  {
    host: tinyHost,
    config: new ClsTokenConfig(),
    batch: inputs,
    trainable: D + head,
  },
  { describe, it, beforeAll },
);

describePeftMethod(
  "one sparse adapter",
  {
    host: tinyHost,
    config: new SparseAdapterConfig({ bottleneck: 4 }),
    batch: inputs,
    trainable: 2 * (2 * D + 2 * D * 4 + 4 + D) + head,
    zeroGradient: /\.key\.bias$/,
  },
  { describe, it, beforeAll },
);

describe("baselines", () => {
  beforeAll(async () => {
    await useEngine("compiled", { threads: 2 });
  });

  const trainedBy = (config: PeftConfig): string[] => [
    ...getPeftModel(tinyHost(), config).trainableParameters().keys(),
  ];

  it("train what they say: everything, the head, biases, the class token, the last blocks", () => {
    const all = [...tinyHost().parameters().keys()];
    expect(trainedBy(fullFineTuning()).sort()).toEqual([...all].sort());
    const heads = ["classifier.weight", "classifier.bias"];
    expect(trainedBy(linearProbe()).sort()).toEqual([...heads].sort());
    expect(trainedBy(mlpHead()).length).toBe(heads.length + 4);
    const biases = all.filter((name) => name.endsWith(".bias"));
    expect(trainedBy(biasTuning()).sort()).toEqual([...biases, "classifier.weight"].sort());
    expect(trainedBy(clsToken()).sort()).toEqual([...heads, "vit.embeddings.cls_token"].sort());
    const last = all.filter((name) => /^vit\.(encoder\.layer\.1|layernorm)\./.test(name));
    expect(trainedBy(partialFineTuning(tinyHost(), 1)).sort()).toEqual([...heads, ...last].sort());
    expect(() => partialFineTuning(tinyHost(), 3)).toThrow(/2 blocks/);
  });

  it("have a class token that starts anew near nothing where that is wanted", async () => {
    const token = (config: PeftConfig) =>
      getPeftModel(tinyHost(), config).trainableParameters().get("vit.embeddings.cls_token")!.read();
    const size = (numbers: ArrayLike<number>) => Math.max(...Array.from(numbers, Math.abs));
    expect(size(await token(clsToken({ reinit: true })))).toBeLessThan(1e-5);
    expect(size(await token(clsToken()))).toBeGreaterThan(1e-3);
  });

  it("are adapters and LoRA in the paper's settings; on Swin the original's own scale and dropout on request", () => {
    expect(plainAdapter()).toMatchObject({ style: "adaptformer", bottleneck: 64, headInit: "kaiming" });
    expect(plainLora()).toMatchObject({ r: 16, loraAlpha: 16 });
    const swin = plainAdapter({ style: "swin" });
    expect(swin).not.toHaveProperty("scale", 1);
    expect(plainAdapter({ style: "swin", legacySwinBaseline: true })).toMatchObject({ scale: 1, dropout: 0 });
    expect(denseMixture()).toMatchObject({ sparse: false, numExperts: 4 });
    for (const config of [swin, denseMixture({ style: "swin" })])
      expect(() => getPeftModel(tinySwin(), config)).not.toThrow();
  });

  it("have a head of several layers, whose running moments training moves and the file holds", async () => {
    const model = getPeftModel(tinyHost(), new MlpHeadConfig({ layers: 2 }));
    const trained = [...model.trainableParameters().values()].reduce((sum, { size }) => sum + size, 0);
    expect(trained).toBe(2 * (D * D + D + 2 * D) + head);
    const before = await readAll(model.adapterParameters());
    await train(model, { epochs: 3, learningRate: 1e-3 });
    const after = await readAll(model.adapterParameters());
    for (const key of before.keys()) expect(after.get(key), key).not.toEqual(before.get(key));
    expect(after.get("classifier_mlp.1.norm.num_batches_tracked")![0]).toBe(3);
    const logits = await logitsOf(model);
    const folder = await mkdtemp(join(tmpdir(), "mlp-"));
    try {
      await model.savePretrained(folder);
      const loaded = await PeftModel.fromPretrained(tinyHost(), folder);
      expect(await logitsOf(loaded)).toEqual(logits);
      expect(await logitsOf(loaded.unload())).toEqual(await logitsOf(tinyHost()));
    } finally {
      await rm(folder, { recursive: true });
    }
    model.dispose();
  });

  it("with one sparse module train n - floor((1 - 1/N) n) of each tensor's entries, and the others stay", async () => {
    const model = getPeftModel(tinyHost(), singleSparseAdapter({ bottleneck: 5, numExperts: 3 }));
    const before = await readAll(model.adapterParameters());
    await train(model, { epochs: 6, learningRate: 1e-3 });
    const after = await readAll(model.adapterParameters());
    const keys = [...before.keys()].filter((key) => key.includes(".bottleneck.") && !key.endsWith("_mask"));
    expect(keys).toHaveLength(12);
    for (const key of keys) {
      const [old, now, mask] = [before.get(key)!, after.get(key)!, before.get(`${key}_mask`)!];
      const kept = Array.from(mask).reduce((sum, one) => sum + one, 0);
      expect(kept, key).toBe(old.length - Math.floor((1 - 1 / 3) * old.length));
      // An entry may stand behind a ReLU that is off everywhere, and stay as well.
      const moved = [...old.keys()].filter((j) => now[j] !== old[j]);
      expect(moved.length, key).toBeGreaterThan(0);
      for (const j of moved) expect(mask[j], `${key} ${j}`).toBe(1);
    }
    model.dispose();
  });

  it("leave out branches on Swin-B at rates from 0 to 0.5 in a line over its 24 blocks (§8.18)", () => {
    const json = { embed_dim: 128, depths: [2, 2, 18, 2], num_heads: [4, 8, 16, 32], drop_path_rate: 0.5 };
    const host = new SwinForImageClassification(parseSwinConfig(json, "test"));
    const rates = host.swin.encoder.layers.flatMap(({ blocks }) =>
      blocks.map(({ attention }) => (attention.drop_path as { rate?: number }).rate!),
    );
    expect(rates).toHaveLength(24);
    for (const [i, rate] of rates.entries()) expect(rate).toBeCloseTo((0.5 * i) / 23, 12);
  });
});
