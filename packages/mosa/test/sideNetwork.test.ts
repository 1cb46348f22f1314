// The network beside the host, the paper's baseline "side".

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  getPeftModel,
  parseRobertaConfig,
  parseViTConfig,
  RobertaForSequenceClassification,
  useEngine,
  ViTForImageClassification,
  writeSafetensors,
} from "@peft/core";
import { BOUNDS, expectClose, goldenArray, gradientFloor, readFixture, relativeError } from "@peft/core/testing";
import { beforeAll, describe, expect, it } from "vitest";
import { linearProbe, loadAlexNet, sideNetwork } from "../src/index.js";
import { replaySide, type SideInfo } from "../src/testing/index.js";
import { pictureHost } from "./pictureHost.js";

const FIXTURES = fileURLToPath(new URL("../../../fixtures/mosa/", import.meta.url));
const ALEXNET = 2_469_696;

describe("a side network", () => {
  beforeAll(async () => {
    await useEngine("compiled", { threads: 2 });
  });

  it("has the logits and gradients of the original's, on pictures whose windows overlap", async () => {
    const [logits, grads] = await replaySide(FIXTURES);
    expectClose(logits!.ours, logits!.reference, BOUNDS.outputs);
    expect([...grads!.ours.keys()].sort()).toEqual([...grads!.reference.keys()].sort());
    expectClose(grads!.ours, grads!.reference, BOUNDS.gradients, { floor: gradientFloor(grads!.reference.values()) });
  });

  it.each([768, 1024, 1280])("has as many numbers as the original's beside features of %i", (hidden_size) => {
    const { counts } = readFixture<SideInfo>(FIXTURES, "side").info;
    const config = parseViTConfig({ hidden_size, num_attention_heads: 8, num_hidden_layers: 1 }, "test");
    const trained = getPeftModel(
      new ViTForImageClassification(config),
      sideNetwork().with({ modulesToSave: null }),
    ).trainableParameters();
    expect([...trained.values()].reduce((sum, { size }) => sum + size, 0)).toBe(counts[hidden_size]);
    expect(counts[hidden_size]).toBe(ALEXNET + 9216 * hidden_size + 1);
  });

  it("takes AlexNet's convolutions from a file of torchvision's, and nothing from one that does not fit", async () => {
    const folder = await mkdtemp(join(tmpdir(), "alexnet-"));
    try {
      const model = getPeftModel(pictureHost(), sideNetwork());
      const own = [...model.adapterParameters()].filter(([key]) => key.startsWith("side_network.features."));
      const tensors = new Map(
        own.map(([key, { shape, size }], i) => [
          key.slice("side_network.".length),
          { dtype: "float32" as const, shape, data: goldenArray(i, size, 0.1) },
        ]),
      );
      tensors.set("classifier.6.bias", { dtype: "float32", shape: [1000], data: new Float32Array(1000) });
      const file = join(folder, "alexnet.safetensors");
      await writeSafetensors(file, tensors);
      await loadAlexNet(model, file);
      for (const [i, [key, parameter]] of own.entries())
        expect(relativeError(await parameter.read(), goldenArray(i, parameter.size, 0.1)), key).toBe(0);

      tensors.delete("features.10.bias");
      tensors.set("features.0.bias", { dtype: "float32", shape: [65], data: new Float32Array(65) });
      await writeSafetensors(file, tensors);
      await expect(loadAlexNet(model, file)).rejects.toMatchObject({
        code: "KEY_MISMATCH",
        details: {
          missing: ["features.10.bias"],
          unexpected: [],
          misshapen: [{ name: "features.0.bias", expected: [64], found: [65] }],
        },
      });
      for (const [i, [key, parameter]] of own.entries())
        expect(relativeError(await parameter.read(), goldenArray(i, parameter.size, 0.1)), key).toBe(0);
      const probe = getPeftModel(pictureHost(), linearProbe());
      await expect(loadAlexNet(probe, file)).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
      model.dispose();
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("is refused where there are no pictures", () => {
    const json = {
      model_type: "roberta",
      hidden_size: 8,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      vocab_size: 20,
    };
    const text = new RobertaForSequenceClassification(parseRobertaConfig(json, "test"));
    expect(() => getPeftModel(text, sideNetwork())).toThrow(expect.objectContaining({ code: "TARGET_UNSUPPORTED" }));
  });
});
