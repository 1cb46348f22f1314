// What is on disk: our own files key by key, and those of the library `adapters`.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  env,
  getPeftModel,
  LAYOUTS,
  PeftModel,
  parseViTConfig,
  readSafetensors,
  useEngine,
  ViTForImageClassification,
} from "@peft/core";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { MosaConfig, type MosaFields, mergeExperts } from "../src/index.js";
import { logitsOf, moved, readAll, tinyHost, tinySwin } from "./tiny.js";

const adapterhub = LAYOUTS.adapterhub!;

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

it.each<[string, Partial<MosaFields>, string]>([
  ["MoSL", { style: "lora" }, "query.up.owner"],
  ["split biases", { splitBias: true }, "up.owner"],
])(
  "with %s a config of fewer experts than own entries in the file is refused, and the host left as it was",
  async (_, fields, tensor) => {
    const model = getPeftModel(tinyHost(), new MosaConfig({ bottleneck: 4, ...fields }));
    const host = tinyHost();
    const before = await logitsOf(host);
    await inFolder(async (folder) => {
      await model.savePretrained(folder);
      const path = join(folder, "adapter_config.json");
      await writeFile(path, (await readFile(path, "utf8")).replace(/"num_experts": 4/, '"num_experts": 2'));
      const loading = PeftModel.fromPretrained(host, folder);
      await expect(loading).rejects.toMatchObject({
        code: "CHECKPOINT_INVALID",
        place: join(folder, "adapter_model.safetensors"),
        message: expect.stringContaining(`${tensor} has a`),
      });
    });
    expect(await logitsOf(host)).toEqual(before);
    model.dispose();
  },
);

describe("the files of the library adapters", () => {
  it.each(["adaptformer", "pfeiffer", "houlsby"] as const)(
    "hold a merged %s, and give it back bit for bit (§8.19)",
    async (style) => {
      const codes = quiet();
      const model = await moved(new MosaConfig({ style, bottleneck: 4, modulesToSave: null }));
      await mergeExperts(model);
      const merged = await readAll(model.adapterParameters("merged"));
      model.setAdapter("merged");
      const logits = await logitsOf(model);
      await inFolder(async (folder) => {
        await adapterhub.write(model, folder, "merged");
        const host = model.unload();
        // The norm's epsilon is another there.
        const back = await adapterhub.read(host, folder);
        expect(codes).toEqual(style === "houlsby" ? [] : ["LAYOUT_PARTIAL", "LAYOUT_PARTIAL"]);
        expect(await readAll(back.adapterParameters())).toEqual(merged);
        expect(await logitsOf(back)).toEqual(logits);
        back.dispose();
      });
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
      await adapterhub.write(model, folder, "merged");
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

  it("are refused before experts are merged, and for a Swin", async () => {
    const refused = { code: "TARGET_UNSUPPORTED" };
    await inFolder(async (folder) => {
      const model = await moved(new MosaConfig({ bottleneck: 4 }));
      await expect(adapterhub.write(model, folder)).rejects.toMatchObject(refused);
      model.dispose();
      const swin = await moved(new MosaConfig({ bottleneck: 4, style: "swin" }), { host: tinySwin() });
      await mergeExperts(swin);
      await expect(adapterhub.write(swin, folder, "merged")).rejects.toMatchObject(refused);
      swin.dispose();
    });
  });
});
