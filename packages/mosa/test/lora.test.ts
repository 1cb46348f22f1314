// MoSL, which is MoSA on LoRA: merged into one LoRA that PEFT reads, and into the host.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LoraConfig, PeftModel, readSafetensors, useEngine } from "@peft/core";
import { relativeError } from "@peft/core/testing";
import { beforeAll, describe, expect, it } from "vitest";
import { MosaConfig, type MosaFields, mergeExperts } from "../src/index.js";
import { logitsOf, moved, tinyHost, tinySwin } from "./tiny.js";

const VARIANTS: [string, Partial<MosaFields>][] = [
  ["B split", {}],
  ["A split", { split: "down-only", scale: 0.5 }],
  ["both split, in all projections", { split: "both", mode: "qkvo" }],
  ["dense experts", { sparse: false, split: "both" }],
  ["both split, merged by owner", { split: "both", merge: "owner" }],
  ["both split, merged by joint", { split: "both", merge: "joint-legacy" }],
];

describe.each(["compiled", "eager"] as const)("MoSL, %s", (engine) => {
  beforeAll(async () => {
    await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
  });

  it.each(VARIANTS)("becomes one LoRA that computes the same: %s", async (_, fields) => {
    const model = await moved(new MosaConfig({ style: "lora", bottleneck: 4, ...fields }));
    const before = await logitsOf(model);
    const plain = await mergeExperts(model);
    expect(plain).toBeInstanceOf(LoraConfig);
    model.deleteAdapter("default");
    model.setAdapter("merged");
    expect(relativeError(await logitsOf(model), before)).toBeLessThan(1e-5);
    model.dispose();
  });

  it.each(VARIANTS)("folds into the host's weights, to 1e-5 of the unfolded: %s", async (_, fields) => {
    const model = await moved(new MosaConfig({ style: "lora", bottleneck: 4, ...fields }));
    const before = await logitsOf(model);
    const merged = await model.mergeAndUnload();
    expect(relativeError(await logitsOf(merged), before)).toBeLessThan(1e-5);
    merged.dispose();
  });

  it("stands on the attention of a Swin transformer too", async () => {
    const model = await moved(new MosaConfig({ style: "lora", bottleneck: 4, mode: "qkvo" }), { host: tinySwin() });
    const before = await logitsOf(model);
    expect(before).not.toEqual(await logitsOf(tinySwin()));
    const merged = await model.mergeAndUnload();
    expect(relativeError(await logitsOf(merged), before)).toBeLessThan(1e-5);
    merged.dispose();
  });
});

describe("MoSL's files", () => {
  it("are PEFT's LoRA once merged: keys, alpha = r * scale, targets; they load as a LoRA", async () => {
    await useEngine("compiled", { threads: 2 });
    const config = new MosaConfig({ style: "lora", bottleneck: 4, scale: 0.5, modulesToSave: null });
    const model = await moved(config);
    const before = await logitsOf(model);
    await mergeExperts(model);
    const folder = await mkdtemp(join(tmpdir(), "mosl-"));
    try {
      await model.savePretrained(folder, { selectedAdapters: ["merged"], naming: "hf4" });
      const json = JSON.parse(await readFile(join(folder, "merged", "adapter_config.json"), "utf8"));
      expect(json).toMatchObject({ peft_type: "LORA", r: 4, lora_alpha: 2, target_modules: ["query", "value"] });
      const tensors = await readSafetensors(join(folder, "merged", "adapter_model.safetensors"));
      const places = [0, 1].flatMap((i) => ["query", "value"].map((name) => `${i}.attention.attention.${name}`));
      const keys = places.flatMap((place) =>
        ["A", "B"].map((part) => `base_model.model.vit.encoder.layer.${place}.lora_${part}.weight`),
      );
      expect([...tensors.keys()].sort()).toEqual(keys.sort());
      const loaded = await PeftModel.fromPretrained(tinyHost(), join(folder, "merged"));
      expect(relativeError(await logitsOf(loaded), before)).toBeLessThan(1e-6);
      loaded.dispose();
    } finally {
      await rm(folder, { recursive: true });
    }
    model.dispose();
  });
});
