import { mkdtempSync } from "node:fs";
import { copyFile, readdir, readFile, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type HostTensor,
  openSafetensors,
  type PeftError,
  readSafetensors,
  toBFloat16,
  toFloat16,
  useEngine,
  ViTForImageClassification,
  type ViTForImageClassificationOptions,
  ViTModel,
} from "../../src/index.js";
import { readAll, readFixture } from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";
import { changed, renamed } from "./changedFolder.js";

const TINY = join(FIXTURES, "vit", "tiny");
const BARE = join(FIXTURES, "vit", "tiny-bare");
const load = (folder: string, options?: ViTForImageClassificationOptions) =>
  ViTForImageClassification.fromPretrained(folder, options);
const coded = (code: string, details?: object) =>
  expect.objectContaining(details ? { code, details: expect.objectContaining(details) } : { code });
const pixelValues = readFixture(join(FIXTURES, "vit"), "tiny").input("pixels");
const logits = async (model: ViTForImageClassification): Promise<Float32Array> =>
  (await (
    await model({ pixelValues: { ...pixelValues, data: pixelValues.data.slice() } })
  ).logits.data()) as Float32Array;

beforeAll(async () => {
  await useEngine("compiled", { threads: 2 });
});

describe("a vision transformer's folder", () => {
  it("is read alike with transformers 5's names, with gamma and beta, with a pooler, with buffers", async () => {
    const wanted = await logits(await load(TINY));
    const { names } = await load(TINY);
    const old = (name: string) =>
      name.replace(/(layernorm\w*)\.weight/, "$1.gamma").replace(/(layernorm\w*)\.bias/, "$1.beta");
    const extra = (tensors: Map<string, HostTensor>) => {
      const one: HostTensor = { dtype: "float32", shape: [1], data: Float32Array.of(1) };
      for (const name of ["vit.pooler.dense.weight", "vit.pooler.dense.bias", "vit.embeddings.mask_token"])
        tensors.set(name, one);
      return tensors.set("vit.embeddings.position_ids", one);
    };
    for (const change of [renamed((name) => names.to("hf5", name)), renamed(old), extra]) {
      expect(await logits(await load(await changed(TINY, change)))).toEqual(wanted);
    }
  });

  it("is widened from half precision", async () => {
    for (const dtype of ["float16", "bfloat16"] as const) {
      const cast = dtype === "float16" ? toFloat16 : toBFloat16;
      const narrow = (tensors: Map<string, HostTensor>) =>
        new Map(
          [...tensors].map(([name, { shape, data }]): [string, HostTensor] => [
            name,
            { dtype, shape, data: cast(data as Float32Array) },
          ]),
        );
      const model = await load(await changed(TINY, narrow));
      const weight = (await model.parameters().get("classifier.weight")!.read()) as Float32Array;
      const full = (await (await load(TINY)).parameters().get("classifier.weight")!.read()) as Float32Array;
      for (const [i, x] of full.entries()) expect(Math.abs(weight[i]! - x)).toBeLessThan(2 ** -8 * 0.2);
    }
  });

  it("gives the bare model from a classifier's file, and a classifier from a bare model's file if it is given labels", async () => {
    const bare = await ViTModel.fromPretrained(TINY);
    expect(bare.pooler).toBeUndefined();
    expect(() => bare.pool({} as never)).toThrow(coded("KEY_MISMATCH"));
    await expect(load(BARE)).rejects.toThrow(/give labels/);
    const model = await load(BARE, { labels: ["x", "y", "z"] });
    expect(model.config.labels).toEqual(["x", "y", "z"]);
    expect(await logits(model)).toHaveLength(9);
    const theirs = await readSafetensors(join(BARE, "model.safetensors"));
    for (const [name, numbers] of await readAll(model.vit ? model.parameters() : new Map())) {
      if (name.startsWith("vit.")) expect(numbers, name).toEqual(theirs.get(name.slice(4))!.data);
    }
  });

  it("keeps its head where the labels are the file's, and starts a new one from the seed where they are not", async () => {
    const head = async (options: ViTForImageClassificationOptions) =>
      (await load(TINY, options)).parameters().get("classifier.weight")!.read();
    const own = await head({});
    expect(await head({ labels: ["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3", "LABEL_4"] })).toEqual(own);
    const fresh = await head({ labels: ["a", "b", "c", "d", "e"] });
    expect(fresh).not.toEqual(own);
    expect(await head({ labels: ["a", "b", "c", "d", "e"] })).toEqual(fresh);
    expect(await head({ labels: ["a", "b", "c", "d", "e"], seed: 1 })).not.toEqual(fresh);
    expect(Math.max(...(fresh as Float32Array).map(Math.abs))).toBeLessThan(0.1);
    await expect(load(TINY, { labels: [] })).rejects.toThrow(coded("ARGUMENT_INVALID"));
  });

  it("takes dropout, the norm's eps and the resizing of positions from the caller", async () => {
    const model = await load(TINY, { dropout: { mlp: 0.1 }, layerNormEps: 1e-6, positionResize: "bilinear" });
    expect(model.config).toMatchObject({
      dropout: { embeddings: 0, attention: 0, mlp: 0.1 },
      layerNormEps: 1e-6,
      positionResize: "bilinear",
    });
    expect(model.nameOrPath).toBe(TINY);
    await expect(load(TINY, { dropout: { mlp: 1 } })).rejects.toThrow(/dropout.mlp/);
  });

  it("is written as it was read: the same tensors, and a config that transformers reads", async () => {
    const folder = join(mkdtempSync(join(tmpdir(), "peft-")), "new", "folder");
    const model = await load(TINY);
    await model.savePretrained(folder);
    expect((await readdir(folder)).sort()).toEqual(["config.json", "model.safetensors"]);
    expect(await readSafetensors(join(folder, "model.safetensors"))).toEqual(
      await readSafetensors(join(TINY, "model.safetensors")),
    );
    const written = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
    const original = JSON.parse(await readFile(join(TINY, "config.json"), "utf8"));
    for (const [key, value] of Object.entries(written)) expect(value, key).toEqual(original[key]);
    expect(await logits(await load(folder))).toEqual(await logits(model));
  });

  it("is written in half precision where that is asked for: each number to nearest even, and the config says so", async () => {
    for (const [dtype, cast] of [
      ["float16", toFloat16],
      ["bfloat16", toBFloat16],
    ] as const) {
      const folder = mkdtempSync(join(tmpdir(), "peft-"));
      await (await load(TINY)).savePretrained(folder, { dtype });
      expect(JSON.parse(await readFile(join(folder, "config.json"), "utf8"))).toMatchObject({ torch_dtype: dtype });
      const written = await readSafetensors(join(folder, "model.safetensors"));
      for (const [name, { shape, data }] of await readSafetensors(join(TINY, "model.safetensors"))) {
        expect(written.get(name), name).toEqual({ dtype, shape, data: cast(data as Float32Array) });
      }
    }
  });
});

describe("what is not a model's folder", () => {
  it("is an error that says what to do: a hub's name, nothing, a file, no weights", async () => {
    await expect(load("google/vit-base-patch16-224-in21k")).rejects.toThrow(
      expect.objectContaining({ code: "HUB_ID", hint: expect.stringContaining("hf download google/vit-base") }),
    );
    await expect(load("/no/such/folder")).rejects.toThrow(coded("FILE_MISSING"));
    await expect(load(join(TINY, "config.json"))).rejects.toThrow(coded("FILE_MISSING"));
    const empty = mkdtempSync(join(tmpdir(), "peft-"));
    await expect(load(empty)).rejects.toThrow(coded("FILE_MISSING"));
    await copyFile(join(TINY, "config.json"), join(empty, "config.json"));
    await expect(load(empty)).rejects.toThrow(coded("FILE_MISSING"));
  });

  it("is an error that names everything that is missing, unexpected or of another shape", async () => {
    const folder = await changed(TINY, (tensors) => {
      const spare = tensors.get("vit.layernorm.bias")!;
      tensors.delete("vit.layernorm.bias");
      tensors.set("vit.stranger.weight", spare);
      tensors.set("vit.layernorm.weight", { dtype: "float32", shape: [16], data: new Float32Array(16) });
      return tensors;
    });
    await expect(load(folder)).rejects.toThrow(
      coded("KEY_MISMATCH", {
        missing: ["vit.layernorm.bias"],
        unexpected: ["vit.stranger.weight"],
        misshapen: [{ name: "vit.layernorm.weight", expected: [32], found: [16] }],
      }),
    );
    const twice = await changed(TINY, (tensors) =>
      tensors.set("layernorm.weight", tensors.get("vit.layernorm.weight")!),
    );
    await expect(load(twice)).rejects.toThrow(
      coded("KEY_MISMATCH", { unexpected: [expect.stringMatching(/layernorm\.weight$/)] }),
    );
    const whole = await changed(TINY, (tensors) =>
      tensors.set("vit.layernorm.weight", { dtype: "int64", shape: [32], data: new BigInt64Array(32) }),
    );
    await expect(load(whole)).rejects.toThrow(coded("KEY_MISMATCH"));
  });

  it("is an error where the config is another model's or contradicts itself", async () => {
    const config = (fields: object) => changed(TINY, () => undefined, fields);
    await expect(load(await config({ model_type: "bert" }))).rejects.toThrow(coded("CONFIG_INVALID"));
    await expect(load(await config({ num_attention_heads: 5 }))).rejects.toThrow(coded("CONFIG_INVALID"));
    await expect(load(await config({ hidden_act: "snake" }))).rejects.toThrow(coded("CONFIG_INVALID"));
    await expect(load(await config({ num_hidden_layers: 3 }))).rejects.toThrow(coded("KEY_MISMATCH"));
  });

  it("is an error where the file was cut off", async () => {
    const folder = await changed(TINY, () => undefined);
    await truncate(join(folder, "model.safetensors"), 50_000);
    await expect(load(folder)).rejects.toThrow(coded("SAFETENSORS_INVALID"));
  });

  it("is an error for timm's variants that compute something else", async () => {
    const timm = join(FIXTURES, "vit", "tiny-timm");
    const one: HostTensor = { dtype: "float32", shape: [32], data: new Float32Array(32) };
    for (const name of [
      "dist_token",
      "fc_norm.weight",
      "reg_token",
      "blocks.0.ls1.gamma",
      "blocks.1.attn.q_norm.weight",
    ]) {
      const folder = await changed(timm, (tensors) => tensors.set(name, one));
      const error: PeftError = await load(folder).catch((reason) => reason);
      expect(error, name).toMatchObject({ code: "CHECKPOINT_INVALID", message: expect.stringContaining(name) });
    }
    const unknown = await changed(timm, () => undefined, { architecture: "vit_odd", model_args: {} });
    await expect(load(unknown)).rejects.toThrow(/number of heads/);
    const pooled = await changed(timm, () => undefined, { global_pool: "avg" });
    await expect(load(pooled)).rejects.toThrow(/pooling is "avg"/);
  });

  it("closes the file it opened, whatever happens", async () => {
    const before = (await readdir("/proc/self/fd").catch(() => [])).length;
    await load(BARE).catch(() => undefined);
    await load(TINY);
    await openSafetensors(join(TINY, "model.safetensors")).then((file) => file.close());
    const after = (await readdir("/proc/self/fd").catch(() => [])).length;
    expect(after).toBe(before);
  });
});
