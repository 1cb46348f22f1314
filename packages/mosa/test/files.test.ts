// What is on disk: our own files key by key, and those of the library `adapters`.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  env,
  getPeftModel,
  parseViTConfig,
  readSafetensors,
  useEngine,
  ViTForImageClassification,
  writeSafetensors,
} from "@peft/core";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { loadAdapterHub, MosaConfig, type MosaFields, mergeExperts, saveAdapterHub } from "../src/index.js";
import { logitsOf, moved, readAll, tinyHost, tinySwin } from "./tiny.js";

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "mosa-"));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function quiet(): string[] {
  const { warn } = env;
  const codes: string[] = [];
  env.warn = ({ code }) => codes.push(code);
  onTestFinished(() => {
    env.warn = warn;
  });
  return codes;
}

beforeAll(async () => {
  await useEngine("compiled", { threads: 2 });
});

describe("a training checkpoint", () => {
  const dense = (side: string) => [`${side}.weight`, `${side}.bias`];
  const up = (at = "") => [`${at}up.weight`, `${at}up.owner`, `${at}up.experts.bias`];
  const down = ["down.weight", "down.initial", "down.owner", "down.experts.bias", "down.experts.decay"];
  it.each<[Partial<MosaFields>, string[]]>([
    [{}, [...dense("norm"), ...dense("down"), ...up()]],
    [{ split: "both" }, [...dense("norm"), ...down, ...up()]],
    [{ style: "houlsby" }, ["attention.", "ffn."].flatMap((at) => [...dense(`${at}down`), ...up(at)])],
    [
      { style: "lora" },
      ["query", "value"].flatMap((at) => ["down.weight", "up.weight", "up.owner"].map((k) => `${at}.${k}`)),
    ],
    [{ splitBias: true }, [...dense("norm"), ...dense("down"), ...dense("up"), "up.owner", "up.bias_owner"]],
    [{ sparse: false }, [...dense("norm"), ...dense("down"), "up.experts.weight", "up.experts.bias"]],
  ])("of %o has the specification's keys, and owners as bytes", async (fields, keys) => {
    const model = getPeftModel(tinyHost(), new MosaConfig({ bottleneck: 4, ...fields }));
    await inFolder(async (folder) => {
      await model.savePretrained(folder, { naming: "hf4" });
      const tensors = await readSafetensors(join(folder, "adapter_model.safetensors"));
      const prefix = "base_model.model.vit.encoder.layer.";
      const found = [...tensors.keys()].filter((key) => key.startsWith(`${prefix}0.`));
      expect(found.sort()).toEqual(keys.map((key) => `${prefix}0.mosa.${key}`).sort());
      for (const [key, { dtype }] of tensors) expect(dtype).toBe(key.endsWith("owner") ? "uint8" : "float32");
      const json = JSON.parse(await readFile(join(folder, "adapter_config.json"), "utf8"));
      expect(json).toMatchObject({
        peft_type: "MOSA",
        num_experts: 4,
        split: fields.split ?? "up-only",
        bottleneck: 4,
      });
    });
    model.dispose();
  });
});

describe("the files of the library adapters", () => {
  it.each(["adaptformer", "pfeiffer", "houlsby"] as const)(
    "hold a merged %s, and give it back bit for bit (§8.19)",
    async (style) => {
      const codes = quiet();
      const model = await moved(new MosaConfig({ style, bottleneck: 4, modulesToSave: null }));
      await mergeExperts(model);
      await inFolder(async (folder) => {
        await saveAdapterHub(model, folder);
        expect(codes).toEqual(style === "houlsby" ? [] : ["EXPORT_APPROXIMATE"]);
        await loadAdapterHub(model, folder, { adapterName: "again" });
      });
      const merged = await readAll(model.adapterParameters("merged"));
      expect(await readAll(model.adapterParameters("again"))).toEqual(merged);
      model.setAdapter("merged");
      const logits = await logitsOf(model);
      model.setAdapter("again");
      expect(await logitsOf(model)).toEqual(logits);
      model.dispose();
    },
  );

  it("have, of a ViT-B's twelve layers, 12 x 8 tensors, the norm's twice, and the config of its library (§8.19)", async () => {
    quiet();
    const config = parseViTConfig(
      { hidden_size: 8, num_attention_heads: 2, intermediate_size: 8, image_size: 16, patch_size: 8 },
      "test",
    );
    const model = getPeftModel(new ViTForImageClassification(config), new MosaConfig({ bottleneck: 4 }));
    await mergeExperts(model);
    await inFolder(async (folder) => {
      await saveAdapterHub(model, folder);
      const tensors = await readSafetensors(join(folder, "adapter.safetensors"));
      expect(tensors.size).toBe(12 * 8);
      const path = "vit.encoder.layer.11.output.output_adapters.adapters.merged.";
      const parts = ["adapter_down.0", "adapter_down.1", "adapter_norm_before", "adapter_up"];
      const keys = parts.flatMap((part) => [`${path}${part}.weight`, `${path}${part}.bias`]);
      expect([...tensors.keys()].filter((key) => key.includes(".11.")).sort()).toEqual(keys.sort());
      const json = JSON.parse(await readFile(join(folder, "adapter_config.json"), "utf8"));
      expect(json.config).toMatchObject({
        is_parallel: true,
        ln_before: true,
        non_linearity: "gelu",
        scaling: 0.1,
        reduction_factor: 2,
      });
    });
    model.dispose();
  });

  it("are refused for another method, host or learnt scale, and when their tensors are not what they say", async () => {
    quiet();
    await inFolder(async (folder) => {
      const model = await moved(new MosaConfig({ bottleneck: 4, modulesToSave: null }));
      const invalid = { code: "ARGUMENT_INVALID" };
      await expect(saveAdapterHub(model, folder, { adapterName: "default" })).rejects.toMatchObject(invalid);
      for (const [host, fields] of [
        [tinySwin(), { style: "swin" }],
        [tinyHost(), { scale: "learned" }],
      ] as const) {
        const other = await moved(new MosaConfig({ bottleneck: 4, ...fields }), { host });
        await mergeExperts(other);
        await expect(saveAdapterHub(other, folder)).rejects.toMatchObject(invalid);
        other.dispose();
      }
      await mergeExperts(model);
      await saveAdapterHub(model, folder);
      const path = join(folder, "adapter.safetensors");
      const tensors = await readSafetensors(path);
      const [first] = tensors.keys();
      tensors.set("stranger", tensors.get(first!)!);
      tensors.delete(first!);
      await writeSafetensors(path, tensors);
      await expect(loadAdapterHub(model, folder, { adapterName: "again" })).rejects.toMatchObject({
        code: "KEY_MISMATCH",
        details: { missing: [first], unexpected: ["stranger"], misshapen: [] },
      });
      await writeFile(join(folder, "adapter_config.json"), "{}");
      await expect(loadAdapterHub(model, folder, { adapterName: "again" })).rejects.toMatchObject({
        code: "CONFIG_INVALID",
      });
      expect([...model.peftConfig.keys()]).toEqual(["default", "merged"]);
      model.dispose();
    });
  });
});
