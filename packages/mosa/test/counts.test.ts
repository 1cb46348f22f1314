// Numbers of parameters at full size (`mosa.md` §5), from shapes: nothing is allocated, since no number is used.

import {
  BottleneckConfig,
  getPeftModel,
  type HostModel,
  LoraConfig,
  type PeftConfig,
  parseSwinConfig,
  parseViTConfig,
  SwinForImageClassification,
  ViTForImageClassification,
} from "@peft/core";
import { describe, expect, it } from "vitest";
import { MOSA_PRESETS, MosaConfig, type MosaFields } from "../src/index.js";

const SWIN_B = { embed_dim: 128, depths: [2, 2, 18, 2], num_heads: [4, 8, 16, 32], window_size: 7, image_size: 224 };
const sized = (size: object) => () => new ViTForImageClassification(parseViTConfig(size, "test"));

const HOSTS = {
  "ViT-B/16": sized({}),
  "ViT-L/16": sized({ hidden_size: 1024, num_hidden_layers: 24, num_attention_heads: 16, intermediate_size: 4096 }),
  "ViT-H/14": sized({
    hidden_size: 1280,
    num_hidden_layers: 32,
    num_attention_heads: 16,
    intermediate_size: 5120,
    patch_size: 14,
  }),
  "Swin-B": () => new SwinForImageClassification(parseSwinConfig(SWIN_B, "test")),
} as const;
type HostName = keyof typeof HOSTS;

const { cub200, vtabPets, stanfordCars, fgvcMultiTask } = MOSA_PRESETS;

/** Of the adapters of a host, without a factor of decay for each expert, which the original has as whole tensors. */
function countOf(host: HostName, config: PeftConfig): number {
  const model = getPeftModel(HOSTS[host](), config);
  const counted = [...model.trainableParameters()].filter(([key]) => !key.endsWith(".experts.decay"));
  return counted.reduce((sum, [, { size }]) => sum + size, 0);
}

/** What the original's optimizer holds: of a split side N whole copies. */
function officialCount(host: HostName, fields: Partial<MosaFields>): number {
  const { numExperts } = new MosaConfig(fields);
  const model = getPeftModel(HOSTS[host](), new MosaConfig({ ...fields, modulesToSave: null }));
  const trained = [...model.trainableParameters()].filter(([key]) => !key.endsWith(".experts.decay"));
  // Biases are N of each already.
  const isSplit = (key: string) =>
    key.endsWith(".weight") && model.adapterParameters().has(key.replace(/weight$/, "owner"));
  return trained.reduce((sum, [key, { size }]) => sum + size * (isSplit(key) ? numExperts : 1), 0);
}

describe("at full size", () => {
  it.each<[HostName, number]>([
    ["ViT-B/16", 85_798_656],
    ["ViT-L/16", 303_301_632],
    ["ViT-H/14", 630_764_800],
    ["Swin-B", 86_743_224],
  ])("%s has %i numbers without its head", (name, count) => {
    const host: HostModel = HOSTS[name]();
    const body = [...host.parameters()].filter(([key]) => !key.startsWith(`${host.headPath}.`));
    expect(body.reduce((sum, [, { size }]) => sum + size, 0)).toBe(count);
  });

  it.each<[HostName, number, number | undefined, Partial<MosaFields>]>([
    ["ViT-B/16", 1_235_712, 3_005_184, cub200.adapter],
    ["ViT-B/16", 1_217_280, 1_807_104, { ...cub200.adapter, numExperts: 2 }],
    ["ViT-B/16", 350_400, 792_768, vtabPets.adapter],
    ["ViT-B/16", 1_208_832, 1_798_656, stanfordCars.adapter],
    ["ViT-B/16", 1_218_048, 2_397_696, fgvcMultiTask.adapter],
    ["ViT-B/16", 1_235_712, 3_005_184, { ...cub200.adapter, style: "pfeiffer" }],
    ["ViT-B/16", 2_434_560, 5_973_504, { ...cub200.adapter, style: "houlsby" }],
    ["Swin-B", 1_589_760, undefined, { ...cub200.adapter, style: "swin" }],
    ["ViT-B/16", 589_824, undefined, { style: "lora" }],
  ])("MoSA on %s trains %i numbers, the original's optimizer holds %s, with %o (§8.3)", (host, tuned, held, fields) => {
    expect(countOf(host, new MosaConfig({ ...fields, modulesToSave: null }))).toBe(tuned);
    if (held !== undefined) expect(officialCount(host, fields)).toBe(held);
  });

  it.each<[HostName, number, PeftConfig]>([
    ["ViT-B/16", 1_208_064, new BottleneckConfig({ modulesToSave: null })],
    ["ViT-B/16", 322_752, new BottleneckConfig({ bottleneck: 16, modulesToSave: null })],
    ["ViT-B/16", 1_208_064, new BottleneckConfig({ style: "pfeiffer", modulesToSave: null })],
    ["ViT-B/16", 2_379_264, new BottleneckConfig({ style: "houlsby", modulesToSave: null })],
    ["ViT-L/16", 3_220_992, new BottleneckConfig({ modulesToSave: null })],
    ["ViT-H/14", 5_367_808, new BottleneckConfig({ modulesToSave: null })],
    ["Swin-B", 1_553_664, new BottleneckConfig({ style: "swin", modulesToSave: null })],
    ["ViT-B/16", 589_824, new LoraConfig({ r: 16, modulesToSave: null })],
  ])("what is deployed on %s has %i numbers: %o (§8.3)", (host, count, config) => {
    expect(countOf(host, config)).toBe(count);
  });

  it("one expert is as large as what is deployed of any number of them (§8.3)", () => {
    const merged = countOf("ViT-B/16", new MosaConfig({ numExperts: 1, modulesToSave: null }));
    expect(merged).toBe(1_208_064);
  });

  it("a head has 769 numbers a class (§8.3)", () => {
    const heads = ["cub200", "nabirds", "flowers102", "stanfordDogs", "stanfordCars"] as const;
    const sizes = heads.map((name) => 769 * MOSA_PRESETS[name].classes);
    expect(sizes).toEqual([153_800, 426_795, 78_438, 92_280, 150_724]);
    expect(Math.round(sizes.reduce((a, b) => a + b) / 5)).toBe(180_407);
    const host = new ViTForImageClassification(parseViTConfig({ num_labels: 200 }, "test"));
    const classes = host.config.labels.length;
    const head = [...host.parameters()].filter(([key]) => key.startsWith("classifier."));
    expect(head.reduce((sum, [, { size }]) => sum + size, 0)).toBe(769 * classes);
  });
});
