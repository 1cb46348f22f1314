import { mkdtempSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  BottleneckConfig,
  engineInfo,
  env,
  FullConfig,
  getModule,
  getPeftModel,
  LinearProbeConfig,
  LoraConfig,
  type Parameter,
  PeftConfig,
  PeftModel,
  type PeftWarning,
  parseViTConfig,
  readSafetensors,
  registerMethod,
  type TrainableModel,
  toBFloat16,
  toFloat32,
  useEngine,
  ViTForImageClassification,
} from "../../src/index.js";
import { goldenArray } from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";

const TINY = join(FIXTURES, "vit", "tiny");
const pixelValues = { data: goldenArray(7, 2 * 3 * 32 * 32, 1), shape: [2, 3, 32, 32], dtype: "float32" as const };
const host = (): Promise<ViTForImageClassification> => ViTForImageClassification.fromPretrained(TINY);
const folder = (): string => mkdtempSync(join(tmpdir(), "peft-"));
const logits = async (model: ViTForImageClassification | PeftModel): Promise<Float32Array> => {
  const { logits: tensor } = await model({ pixelValues });
  return (await tensor.data()) as Float32Array;
};
const coded = (code: string) => expect.objectContaining({ code });

const warnings: PeftWarning[] = [];
const { warn } = env;
beforeEach(() => {
  warnings.length = 0;
  env.warn = (warning) => warnings.push(warning);
});
afterEach(() => {
  env.warn = warn;
});
beforeAll(async () => {
  await useEngine("compiled", { threads: 2 });
  expect(engineInfo()?.engine).toBe("compiled");
});

describe("counts of parameters", () => {
  const vitB = new ViTForImageClassification(
    parseViTConfig(
      { layer_norm_eps: 1e-6, id2label: Object.fromEntries(Array.from({ length: 200 }, (_, i) => [i, `${i}`])) },
      "",
    ),
  );
  const count = (config: PeftConfig): number => {
    const model = getPeftModel(vitB, config);
    const { trainable } = model.getNbTrainableParameters();
    model.unload();
    return trainable;
  };
  const none = { modulesToSave: null };

  it("are those of the papers for ViT-B/16", () => {
    expect(count(new BottleneckConfig({ bottleneck: 64, ...none }))).toBe(1_208_064);
    expect(count(new BottleneckConfig({ bottleneck: 16, ...none }))).toBe(322_752);
    expect(count(new BottleneckConfig({ style: "pfeiffer", ...none }))).toBe(1_208_064);
    expect(count(new BottleneckConfig({ style: "houlsby", ...none }))).toBe(2_379_264);
    expect(count(new LoraConfig({ r: 16, ...none }))).toBe(589_824);
    expect(count(new LinearProbeConfig())).toBe(153_800);
    expect(count(new FullConfig())).toBe(85_798_656 + 153_800);
  });
});

describe("a model with adapters", () => {
  it("prints PEFT's line, is a trainer's model, and is callable like its host", async () => {
    const model = getPeftModel(await host(), new LoraConfig({ r: 4, loraAlpha: 8 }));
    expect(model.printTrainableParameters()).toBe(
      "trainable params: 1,189 || all params: 25,258 || trainable%: 4.7074",
    );
    const trainable: TrainableModel = model;
    expect([...trainable.trainableParameters().keys()][0]).toBe(
      "vit.encoder.layer.0.attention.attention.query.lora_A.weight",
    );
    expect(model.activeAdapters).toEqual(["default"]);
    expect(model.peftConfig.get("default")).toBeInstanceOf(LoraConfig);
    expect(await logits(model)).toHaveLength(10);
    model.dispose();
    await expect(logits(model)).rejects.toThrow(coded("DISPOSED"));
  });

  it("takes another scale without being traced again; at 0 it computes what the host does", async () => {
    const bare = await host();
    const zero = await logits(bare);
    let traced = 0;
    const { forward } = bare;
    bare.forward = (inputs) => {
      traced++;
      return forward.call(bare, inputs);
    };
    const model = getPeftModel(bare, new LoraConfig({ initLoraWeights: false, modulesToSave: null }));
    const one = await logits(model);
    expect(one).not.toEqual(zero);
    await model.setScale("default", 0);
    expect(await logits(model)).toEqual(zero);
    await model.setScale("default", 1);
    expect(await logits(model)).toEqual(one);
    expect(traced).toBe(1);
    const other = getPeftModel(await host(), new BottleneckConfig());
    await expect(other.setScale("default", 2)).rejects.toThrow(coded("ARGUMENT_INVALID"));
  });

  it("refuses names that are taken, unknown, or could not be a folder", async () => {
    const model = getPeftModel(await host(), new LoraConfig());
    expect(() => model.addAdapter("default", new LoraConfig())).toThrow(coded("ADAPTER_EXISTS"));
    expect(() => model.addAdapter("../x", new LoraConfig())).toThrow(coded("ARGUMENT_INVALID"));
    expect(() => model.setAdapter("other")).toThrow(coded("ADAPTER_UNKNOWN"));
    expect(() => model.deleteAdapter("other")).toThrow(coded("ADAPTER_UNKNOWN"));
    await expect(model.savePretrained(folder(), { selectedAdapters: ["other"] })).rejects.toThrow(
      coded("ADAPTER_UNKNOWN"),
    );
    model.addAdapter("second", new LoraConfig());
    expect(() => model.setAdapter(["default", "second"])).toThrow(/both hold classifier/);
    expect(model.activeAdapters).toEqual(["default"]);
  });

  it("adds up two adapters that are active together, and merges them one upon the other", async () => {
    const first = new LoraConfig({ r: 2, initLoraWeights: false, modulesToSave: null });
    const second = first.with({ targetModules: ["query", "fc1"] });
    const bare = await host();
    const original = await getModuleWeight(bare);
    const model = getPeftModel(bare, first, { seed: 1 });
    model.addAdapter("second", second, { seed: 2 });
    model.setAdapter(["default", "second"]);
    expect(model.trainableParameters().size).toBe(2 * 2 * 2 + 2 * 2 * 2);
    const active = await logits(model);
    await model.merge();
    const merged = await logits(model);
    for (const [i, x] of merged.entries()) expect(Math.abs(x - active[i]!)).toBeLessThan(1e-5);
    model.unmerge();
    expect(await getModuleWeight(bare)).toEqual(original);
    expect(await logits(model)).toEqual(active);
    model.deleteAdapter("default");
    expect(model.activeAdapters).toEqual(["second"]);
    await model.mergeAndUnload();
    expect(await getModuleWeight(bare)).not.toEqual(original);
  });

  it("does not merge numbers that are not finite, and leaves every weight as it was", async () => {
    const bare = await host();
    const model = getPeftModel(bare, new LoraConfig({ r: 2, initLoraWeights: false }));
    const last = [...model.trainableParameters()].filter(([key]) => key.endsWith("lora_B.weight")).at(-1)![1];
    await last.write(new Float32Array(last.size).fill(Number.NaN));
    const original = await getModuleWeight(bare);
    await expect(model.mergeAndUnload()).rejects.toThrow(coded("MERGE_NAN"));
    expect(await getModuleWeight(bare)).toEqual(original);
    expect(model.activeAdapters).toEqual(["default"]);
  });

  it("trained in place needs no copies, and the new weights are the host's", async () => {
    const bare = await host();
    const before = [...bare.parameters().values()];
    const model = getPeftModel(bare, new FullConfig({ inPlace: true }));
    expect([...model.trainableParameters().values()]).toEqual(before);
    expect(model.printTrainableParameters()).toBe(
      "trainable params: 24,069 || all params: 24,069 || trainable%: 100.0000",
    );
    const weight = model.trainableParameters().get("vit.layernorm.weight")!;
    await weight.write(new Float32Array(32).fill(2));
    expect(await model.unload().parameters().get("vit.layernorm.weight")!.read()).toEqual(new Float32Array(32).fill(2));
  });

  it("starts a new head in the one way that the config says, the same for every method", async () => {
    const heads = await Promise.all(
      [new LoraConfig({ headInit: "kaiming" }), new LinearProbeConfig({ headInit: "kaiming" })].map(async (config) => {
        const model = getPeftModel(await host(), config, { seed: 3 });
        const parameters = model.trainableParameters();
        return [await parameters.get("classifier.weight")!.read(), await parameters.get("classifier.bias")!.read()];
      }),
    );
    expect(heads[0]).toEqual(heads[1]);
    expect(heads[0]![1]![0]).toBeCloseTo(-4.59512, 5);
    const squares = [...heads[0]![0]!].reduce((sum, x) => sum + x * x, 0) / 160;
    expect(Math.sqrt(squares)).toBeGreaterThan(0.5);
    expect(Math.sqrt(squares)).toBeLessThan(0.8);
  });

  async function getModuleWeight(model: ViTForImageClassification): Promise<unknown> {
    return Promise.all(
      ["vit.encoder.layer.0.attention.attention.query", "vit.encoder.layer.1.intermediate.dense"].map((path) =>
        (getModule(model, path) as unknown as { weight: Parameter }).weight.read(),
      ),
    );
  }
});

describe("files of adapters", () => {
  it("hold what PEFT's hold: the resolved targets in the wished spelling, a card, one folder an adapter", async () => {
    const config = new LoraConfig({
      r: 4,
      targetModules: /query|value/,
      rankPattern: { query: 2 },
      excludeModules: ["layer.0.attention.attention.value"],
    });
    const model = getPeftModel(await host(), config);
    model.addAdapter("other", new LoraConfig({ targetModules: "all-linear", layersPattern: null }));
    const place = folder();
    expect(model.nameOrPath).toBe(TINY);
    model.nameOrPath = "google/vit";
    await model.savePretrained(place);
    expect((await readdir(place)).sort()).toEqual([
      "README.md",
      "adapter_config.json",
      "adapter_model.safetensors",
      "other",
    ]);
    const json = JSON.parse(await readFile(join(place, "adapter_config.json"), "utf8"));
    expect(json).toMatchObject({
      peft_type: "LORA",
      r: 4,
      target_modules: ["1.attention.v_proj", "q_proj"],
      rank_pattern: { "vit\\.layers\\.0\\.attention\\.q_proj": 2, "vit\\.layers\\.1\\.attention\\.q_proj": 2 },
      exclude_modules: null,
      modules_to_save: ["classifier"],
      base_model_name_or_path: "google/vit",
      inference_mode: true,
    });
    expect(Object.keys(json)).toEqual([...Object.keys(json)].sort());
    const other = JSON.parse(await readFile(join(place, "other", "adapter_config.json"), "utf8"));
    expect(other.base_model_name_or_path).toBe("google/vit");
    expect(other.target_modules).toEqual(["fc1", "fc2", "k_proj", "o_proj", "q_proj", "v_proj"]);

    await model.savePretrained(place, { naming: "hf4", selectedAdapters: ["default"] });
    const again = JSON.parse(await readFile(join(place, "adapter_config.json"), "utf8"));
    expect(again.target_modules).toEqual(["1.attention.attention.value", "query"]);
    expect(again.rank_pattern).toEqual({ query: 2 });
    expect([...(await readSafetensors(join(place, "adapter_model.safetensors"))).keys()]).toContain(
      "base_model.model.vit.encoder.layer.0.attention.attention.query.lora_A.weight",
    );
    const loaded = await PeftModel.fromPretrained(await host(), place);
    expect(await logits(loaded)).toEqual(await logits(model));
  });

  it("are written in half precision where that is asked for, and load as what they were rounded to", async () => {
    const model = getPeftModel(await host(), new LoraConfig({ r: 2 }));
    const [whole, half] = [folder(), folder()];
    await model.savePretrained(whole);
    await model.savePretrained(half, { dtype: "bfloat16" });
    const written = await readSafetensors(join(half, "adapter_model.safetensors"));
    for (const [name, { shape, data }] of await readSafetensors(join(whole, "adapter_model.safetensors"))) {
      expect(written.get(name), name).toEqual({ dtype: "bfloat16", shape, data: toBFloat16(data as Float32Array) });
    }
    const loaded = await PeftModel.fromPretrained(await host(), half, { isTrainable: true });
    for (const [name, parameter] of loaded.trainableParameters()) {
      const key = `base_model.model.${(await host()).names.to("hf5", name)}`;
      expect(await parameter.read(), name).toEqual(toFloat32(written.get(key)!));
    }
  });

  it("of bottleneck adapters have the block's path", async () => {
    const model = getPeftModel(await host(), new BottleneckConfig({ style: "houlsby", bottleneck: 2 }));
    const place = folder();
    await model.savePretrained(place);
    const keys = [...(await readSafetensors(join(place, "adapter_model.safetensors"))).keys()];
    expect(keys).toContain("base_model.model.vit.layers.0.bottleneck.attention.down.weight");
    expect(keys).toContain("base_model.model.vit.layers.1.bottleneck.ffn.up.bias");
    expect(keys).toHaveLength(2 * 2 * 4 + 2);
  });

  it("of fine-tuning in part hold what is trained, and are loaded on to train the same", async () => {
    const config = new FullConfig({ targetModules: ["encoder.layer.1", "vit.layernorm"] });
    const model = getPeftModel(await host(), config);
    const place = folder();
    await model.savePretrained(place);
    const json = JSON.parse(await readFile(join(place, "adapter_config.json"), "utf8"));
    expect(json).toMatchObject({ target_modules: ["1", "layernorm"], modules_to_save: ["classifier"] });
    const keys = [...(await readSafetensors(join(place, "adapter_model.safetensors"))).keys()];
    expect(keys).toContain("base_model.model.vit.layers.1.mlp.fc1.weight");
    expect(keys.every((key) => /layers\.1\.|vit\.layernorm\.|classifier/.test(key))).toBe(true);
    const loaded = await PeftModel.fromPretrained(await host(), place, { isTrainable: true });
    expect([...loaded.trainableParameters().keys()]).toEqual([...model.trainableParameters().keys()]);
    const status = model.getLayerStatus().map(({ name }) => name);
    expect(status).toContain("vit.encoder.layer.1.intermediate.dense");
    expect(status).not.toContain("vit.encoder.layer.0.intermediate.dense");
    expect(() => getPeftModel(model.unload(), new FullConfig({ targetModules: ["layer.9"] }))).toThrow(
      coded("TARGET_NOT_FOUND"),
    );
  });

  it("that cannot be written are not there by halves", async () => {
    const model = getPeftModel(await host(), new LoraConfig());
    const place = folder();
    await writeFile(join(place, "file"), "");
    await expect(model.savePretrained(join(place, "file"))).rejects.toThrow(coded("FILE_UNWRITABLE"));
    // A folder stands where the file should go: the config, without which nothing is found, must not appear.
    await mkdir(join(place, "out", "adapter_model.safetensors", "x"), { recursive: true });
    await expect(model.savePretrained(join(place, "out"))).rejects.toThrow(coded("FILE_UNWRITABLE"));
    expect((await readdir(join(place, "out"))).filter((name) => name !== "README.md")).toEqual([
      "adapter_model.safetensors",
    ]);
  });

  it("keep a model card that is there", async () => {
    const model = getPeftModel(await host(), new LoraConfig());
    const place = folder();
    await writeFile(join(place, "README.md"), "mine");
    await model.savePretrained(place);
    expect(await readFile(join(place, "README.md"), "utf8")).toBe("mine");
  });

  it("that are missing, pickled, of an unknown method, or on the hub are errors that say so", async () => {
    const load = async (directory: string) => PeftModel.fromPretrained(await host(), directory);
    await expect(load("someone/adapter")).rejects.toThrow(coded("HUB_ID"));
    await expect(load(folder())).rejects.toThrow(coded("FILE_MISSING"));
    const unknown = folder();
    await writeFile(join(unknown, "adapter_config.json"), '{"peft_type": "VERA"}');
    await expect(load(unknown)).rejects.toThrow(/unknown peft_type "VERA"/);
    const pickled = folder();
    await writeFile(join(pickled, "adapter_config.json"), '{"peft_type": "LORA"}');
    await writeFile(join(pickled, "adapter_model.bin"), "");
    await expect(load(pickled)).rejects.toThrow(/pickled/);
  });

  it("of another rank are an error with the shapes", async () => {
    const place = folder();
    await getPeftModel(await host(), new LoraConfig({ r: 2 })).savePretrained(place);
    const json = JSON.parse(await readFile(join(place, "adapter_config.json"), "utf8"));
    await writeFile(join(place, "adapter_config.json"), JSON.stringify({ ...json, r: 3 }));
    await expect(PeftModel.fromPretrained(await host(), place)).rejects.toThrow(
      expect.objectContaining({
        code: "KEY_MISMATCH",
        details: expect.objectContaining({
          missing: [],
          unexpected: [],
          misshapen: expect.arrayContaining([expect.objectContaining({ expected: [3, 32], found: [2, 32] })]),
        }),
      }),
    );
  });
});

describe("configs", () => {
  it("name the field that is wrong", () => {
    expect(() => new LoraConfig({ r: 0 })).toThrow(expect.objectContaining({ code: "CONFIG_INVALID", place: "r" }));
    expect(() => new LoraConfig({ loraDropout: 1 })).toThrow(/loraDropout/);
    expect(() => new LoraConfig({ rank: 4 } as object)).toThrow(/rank/);
    expect(() => new LoraConfig({ layersPattern: "layer" })).toThrow(/layersToTransform/);
    expect(() => new LoraConfig({ targetModules: ".*", layersToTransform: 1 })).toThrow(/pattern/);
    expect(() => new BottleneckConfig({ style: "side" as "houlsby" })).toThrow(/style/);
    expect(() => new BottleneckConfig({ bottleneck: 4, reductionFactor: 2 })).toThrow(/reductionFactor/);
  });

  it("are frozen, with what is in them", () => {
    const config = new LoraConfig({ targetModules: ["query"] });
    expect(() => Object.assign(config, { r: 1 })).toThrow(TypeError);
    expect(() => (config.targetModules as string[]).push("key")).toThrow(TypeError);
    expect(config.with({ r: 3 }).targetModules).toEqual(["query"]);
  });

  it("from files need only peft_type, and warn of keys that are not known", () => {
    const config = LoraConfig.fromJSON({ peft_type: "LORA", some_new_key: 1, another: null });
    expect(config).toMatchObject({ r: 8, loraAlpha: 8, bias: "none", modulesToSave: null });
    expect(warnings).toEqual([
      { code: "CONFIG_UNKNOWN_KEY", message: expect.stringContaining("some_new_key, another") },
    ]);
  });

  it("from files refuse what would change what is computed, and take it where it is switched off", () => {
    expect(() => LoraConfig.fromJSON({ peft_type: "LORA", use_qalora: true })).toThrow(/use_qalora/);
    expect(() => LoraConfig.fromJSON({ peft_type: "LORA", fan_in_fan_out: true })).toThrow(/Conv1D/);
    expect(() => LoraConfig.fromJSON({ peft_type: "LORA", init_lora_weights: "pissa" })).toThrow(/initLoraWeights/);
    expect(() => LoraConfig.fromJSON([])).toThrow(coded("CONFIG_INVALID"));
    expect(() => LoraConfig.fromJSON(null)).toThrow(coded("CONFIG_INVALID"));
    expect(
      LoraConfig.fromJSON({ peft_type: "LORA", init_lora_weights: "eva", use_qalora: false, loftq_config: {} })
        .initLoraWeights,
    ).toBe(true);
    expect(warnings).toEqual([]);
  });

  it("of a method package are found once it is registered", async () => {
    class OwnConfig extends LinearProbeConfig {
      static override fromJSON(): OwnConfig {
        return new OwnConfig({ modulesToSave: ["classifier"] });
      }
    }
    const method = { peftType: "OWN", fromJSON: () => OwnConfig.fromJSON() };
    registerMethod(method);
    const place = folder();
    await getPeftModel(await host(), new LinearProbeConfig()).savePretrained(place);
    const json = JSON.parse(await readFile(join(place, "adapter_config.json"), "utf8"));
    await writeFile(join(place, "adapter_config.json"), JSON.stringify({ ...json, peft_type: "OWN" }));
    const model = await PeftModel.fromPretrained(await host(), place);
    expect(model.peftConfig.get("default")).toBeInstanceOf(OwnConfig);
    expect(model.peftConfig.get("default")).toBeInstanceOf(PeftConfig);
  });
});
