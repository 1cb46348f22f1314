import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { gradients } from "../../src/engine/index.js";
import {
  CLIPModel,
  CLIPTextModel,
  CLIPVisionModel,
  compile,
  getPeftModel,
  type HostModel,
  type HostTensor,
  LoraConfig,
  PeftModel,
  parseCLIPVisionConfig,
  readSafetensors,
  useEngine,
} from "../../src/index.js";
import {
  BOUNDS,
  expectClose,
  fillGolden,
  goldenArray,
  readAll,
  readFixture,
  relativeError,
  stepOf,
} from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";
import { changed, newFolder, renamed } from "./changedFolder.js";
import { batchOf, expectTrainedAlike, type TrainedInfo } from "./trainedFixture.js";

const FOLDER = join(FIXTURES, "clip");
const at = (name: string): string => join(FOLDER, name);
const coded = (code: string) => expect.objectContaining({ code });
const GOLDEN = { data: goldenArray(7, 3 * 32 * 32, 1), shape: [1, 3, 32, 32], dtype: "float32" as const };
const VISION = {
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  intermediate_size: 64,
  image_size: 32,
  patch_size: 8,
};

async function logits(model: HostModel, inputs: Parameters<HostModel>[0]): Promise<Float32Array> {
  return (await (await model(inputs)).logits.data()) as Float32Array;
}

function expectNear(actual: ArrayLike<number>, wanted: readonly number[]): void {
  for (const [i, x] of wanted.entries()) expect(Math.abs(actual[i]! - x), `number ${i}`).toBeLessThan(2e-6);
}

describe.each(["compiled", "eager"] as const)("CLIP, %s", (engine) => {
  beforeAll(async () => {
    await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
  });
  afterAll(async () => {
    await useEngine("eager");
  });

  it.each([
    [
      "quick_gelu",
      [-0.110479, 0.319326, 0.299749, -1.1554],
      [0.251527, -0.260802, -1.170383, 0.172611, 0.237563, -0.194733],
      [0.207446, 0.410919, 0.24055, 0.577643],
    ],
    [
      "gelu",
      [-0.115472, 0.322125, 0.297596, -1.152129],
      [0.251162, -0.261018, -1.169796, 0.170298, 0.238915, -0.194425],
      [0.20522, 0.406607, 0.238071, 0.571212],
    ],
  ])(
    "gives the golden vectors and gradients of the specification with %s",
    async (hidden_act, before, embeds, gradient) => {
      const model = new CLIPVisionModel(parseCLIPVisionConfig({ ...VISION, hidden_act }, ""), { projectionDim: 16 });
      expect(model.parameters().size).toBe(40);
      fillGolden(model.parameters(), (name) => /norm|pre_layrnorm/.test(name));
      const weight = model.parameters().get("vision_model.encoder.layers.0.mlp.fc1.weight")!;
      const run = compile((pixelValues) => {
        const output = model.forward({ pixelValues: pixelValues! });
        const step = gradients(() => tf.sum(tf.square(model.forward({ pixelValues: pixelValues! }).logits)), [weight]);
        return { logits: output.logits, before: output.hiddenStates.at(-2)!, gradient: step.gradients[0]! };
      });
      const result = await run(GOLDEN);
      expectNear((await result.before.data()).slice(5 * 32), before);
      expectNear(await result.logits.data(), embeds);
      expectNear(await result.gradient.data(), gradient);
    },
  );

  it("equals Hugging Face's on both encoders together: similarities, loss, gradients, five steps", async () => {
    await expectTrainedAlike(await CLIPModel.fromPretrained(at("joint")), readFixture<TrainedInfo>(FOLDER, "joint"));
  });

  it.each([
    ["vision-quick", CLIPVisionModel],
    ["vision-gelu", CLIPVisionModel],
    ["vision-bare", CLIPVisionModel],
    ["text", CLIPTextModel],
    ["text-old", CLIPTextModel],
  ] as const)("equals Hugging Face's on one encoder: %s", async (name, Class) => {
    const fixture = readFixture<TrainedInfo>(FOLDER, name);
    const model = await Class.fromPretrained(at(name));
    const wanted = fixture.group("output");
    const { inputs } = fixture.info;
    const run = compile((...tensors) => {
      const batch = Object.fromEntries(inputs.map((input, i) => [input, tensors[i]!]));
      const { hiddenStates, lastHiddenState } = model.encode(batch);
      const hidden = Object.fromEntries(hiddenStates.map((x, i) => [`hidden.${i}`, x]));
      return { ...hidden, lastHidden: lastHiddenState, logits: model.forward(batch).logits };
    });
    const found = new Map<string, ArrayLike<number>>();
    for (const [key, tensor] of Object.entries(await run(...inputs.map((input) => fixture.input(input))))) {
      if (wanted.has(key)) found.set(key, await tensor.data());
    }
    expectClose(found, wanted, BOUNDS.outputs);
  });

  it("resizes the position table for pictures of another size if it is told to", async () => {
    const fixture = readFixture<TrainedInfo>(FOLDER, "vision-quick");
    const pixelValues = fixture.input("wider.pixelValues");
    const strict = await CLIPVisionModel.fromPretrained(at("vision-quick"));
    await expect(strict({ pixelValues })).rejects.toThrow(/positionResize/);
    const model = await CLIPVisionModel.fromPretrained(at("vision-quick"), { positionResize: "bicubic" });
    const wanted = fixture.group("wider").get("logits")!;
    expect(relativeError(await logits(model, { pixelValues }), wanted)).toBeLessThan(BOUNDS.outputs);
  });

  it("takes LoRA on both encoders, and learns", async () => {
    const fixture = readFixture<TrainedInfo>(FOLDER, "joint");
    const model = getPeftModel(await CLIPModel.fromPretrained(at("joint")), new LoraConfig({ r: 2 }));
    expect(model.trainableParameters().size).toBe(2 * 2 * 2 * 2);
    const { loss, gradients: found } = await stepOf(model, batchOf(fixture), model.trainableParameters());
    expect(loss).toBeCloseTo(fixture.info.losses[0]!, 4);
    for (const [name, numbers] of found) {
      if (name.includes("lora_B")) expect(Math.max(...numbers.map(Math.abs)), name).toBeGreaterThan(0);
    }
  });
});

describe("an adapter on one encoder of CLIP", () => {
  const keysOf = async (folder: string): Promise<string[]> => [
    ...(await readSafetensors(join(folder, "adapter_model.safetensors"))).keys(),
  ];

  beforeAll(async () => {
    await useEngine("compiled", { threads: 2 });
  });

  it.each([
    ["text-old", "text_model", CLIPTextModel],
    ["vision-bare", "vision_model", CLIPVisionModel],
  ] as const)(
    "has transformers 5's names in its file, without a prefix, and is read under both: %s",
    async (name, prefix, Class) => {
      const load = () => Class.fromPretrained(at(name));
      const model = getPeftModel(
        await load(),
        new LoraConfig({ r: 2, targetModules: ["q_proj"], initLoraWeights: false }),
      );
      const [folder, older] = [newFolder(), newFolder()];
      await model.savePretrained(folder);
      await model.savePretrained(older, { naming: "hf4" });
      const key = "encoder.layers.0.self_attn.q_proj.lora_A.weight";
      expect(await keysOf(folder)).toContain(`base_model.model.${key}`);
      expect(await keysOf(older)).toContain(`base_model.model.${prefix}.${key}`);
      const wanted = await readAll(model.trainableParameters());
      for (const from of [folder, older]) {
        const again = await PeftModel.fromPretrained(await load(), from, { isTrainable: true });
        expect(await readAll(again.trainableParameters())).toEqual(wanted);
      }
    },
  );

  it("keeps the prefix where there is a projection, as transformers 5 does, and is read there without it too", async () => {
    const host = await CLIPTextModel.fromPretrained(at("text"));
    const model = getPeftModel(host, new LoraConfig({ r: 2, targetModules: ["q_proj"] }));
    const folder = newFolder();
    await model.savePretrained(folder);
    for (const key of await keysOf(folder)) expect(key).toMatch(/^base_model\.model\.text_model\./);
    const adapted = await PeftModel.fromPretrained(await CLIPTextModel.fromPretrained(at("text")), at("lora-text"));
    expect(adapted.parameters().size).toBeGreaterThan(0);
  });
});

describe("a CLIP's folder", () => {
  beforeAll(async () => {
    await useEngine("compiled", { threads: 2 });
  });

  it("gives each of its encoders, as a file of its own does, with or without the prefix", async () => {
    const { pixelValues, inputIds, attentionMask } = batchOf(readFixture<TrainedInfo>(FOLDER, "joint"));
    const again = () => ({ ...pixelValues!, data: pixelValues!.data.slice() });
    const whole = await CLIPModel.fromPretrained(at("joint"));
    const vision = await CLIPVisionModel.fromPretrained(at("joint"));
    const text = await CLIPTextModel.fromPretrained(at("joint"));
    const run = compile((pixels, ids, mask) => ({
      image: whole.imageFeatures({ pixelValues: pixels! }),
      text: whole.textFeatures({ inputIds: ids!, attentionMask: mask! }),
    }));
    const features = await run(again(), inputIds!, attentionMask!);
    expect(await logits(vision, { pixelValues: again() })).toEqual(await features.image.data());
    expect(await logits(text, { inputIds: inputIds!, attentionMask: attentionMask! })).toEqual(
      await features.text.data(),
    );

    const position: HostTensor = { dtype: "int64", shape: [1, 17], data: new BigInt64Array(17) };
    const bare = await CLIPVisionModel.fromPretrained(at("vision-bare"));
    for (const change of [
      renamed((name) => `vision_model.${name}`),
      (tensors: Map<string, HostTensor>) => tensors.set("embeddings.position_ids", position),
    ]) {
      const other = await CLIPVisionModel.fromPretrained(await changed(at("vision-bare"), change));
      expect(await logits(other, { pixelValues: again() })).toEqual(await logits(bare, { pixelValues: again() }));
    }
    expect(bare.visual_projection).toBeUndefined();
  });

  it.each([
    ["joint", CLIPModel],
    ["vision-gelu", CLIPVisionModel],
    ["text", CLIPTextModel],
  ] as const)("is written as it was read: %s", async (name, Class) => {
    const folder = join(newFolder(), "new");
    await (await Class.fromPretrained(at(name))).savePretrained(folder);
    expect(await readSafetensors(join(folder, "model.safetensors"))).toEqual(
      await readSafetensors(join(at(name), "model.safetensors")),
    );
    const read = async (where: string) => JSON.parse(await readFile(join(where, "config.json"), "utf8"));
    const expectPart = (written: object, original: Record<string, unknown>) => {
      for (const [key, value] of Object.entries(written)) {
        if (key.endsWith("_config")) expectPart(value as object, original[key] as Record<string, unknown>);
        else expect(value, key).toEqual(original[key]);
      }
    };
    expectPart(await read(folder), await read(at(name)));
  });

  it("is an error where it is another model's, where its copies of the config disagree, and where inputs do not fit", async () => {
    const bert = join(FIXTURES, "bert", "tiny-mlm");
    await expect(CLIPModel.fromPretrained(bert)).rejects.toThrow(/type "bert"/);
    await expect(CLIPTextModel.fromPretrained(at("vision-gelu"))).rejects.toThrow(/clip_vision_model/);
    const twice = await changed(at("joint"), () => undefined, { vision_config_dict: { hidden_size: 48 } });
    await expect(CLIPVisionModel.fromPretrained(twice)).rejects.toThrow(/disagree on hidden_size/);
    const stranger = await changed(at("text"), (tensors) =>
      tensors.set("text_model.stranger", tensors.values().next().value!),
    );
    await expect(CLIPTextModel.fromPretrained(stranger)).rejects.toThrow(coded("KEY_MISMATCH"));
    const text = await CLIPTextModel.fromPretrained(at("text"));
    const inputIds = { data: new Int32Array(13), shape: [1, 13], dtype: "int32" as const };
    await expect(text({ inputIds })).rejects.toThrow(/at most 12 tokens/);
    expect(() => text.loss()).toThrow(/no loss of its own/);
    const { pixelValues, inputIds: ids } = batchOf(readFixture<TrainedInfo>(FOLDER, "joint"));
    const whole = await CLIPModel.fromPretrained(at("joint"));
    const two = { data: ids!.data.slice(0, 18), shape: [2, 9], dtype: "int32" as const };
    expect(await logits(whole, { pixelValues: pixelValues!, inputIds: two })).toHaveLength(6);
    const run = compile((pixels, words) => whole.loss(whole.forward({ pixelValues: pixels!, inputIds: words! })));
    await expect(run(pixelValues!, two)).rejects.toThrow(coded("SHAPE_MISMATCH"));
  });
});

describe("at full size there are as many numbers as in the published vision encoders:", () => {
  it.each([
    ["B/32", {}, 512, 87_456_000, 87_849_216],
    ["B/16", { patch_size: 16 }, 512, 85_799_424, 86_192_640],
    [
      "L/14",
      { hidden_size: 1024, intermediate_size: 4096, num_hidden_layers: 24, num_attention_heads: 16, patch_size: 14 },
      768,
      303_179_776,
      303_966_208,
    ],
    [
      "L/14-336",
      {
        hidden_size: 1024,
        intermediate_size: 4096,
        num_hidden_layers: 24,
        num_attention_heads: 16,
        patch_size: 14,
        image_size: 336,
      },
      768,
      303_507_456,
      304_293_888,
    ],
    [
      "H/14",
      { hidden_size: 1280, intermediate_size: 5120, num_hidden_layers: 32, num_attention_heads: 16, patch_size: 14 },
      1024,
      630_766_080,
      632_076_800,
    ],
    [
      "g/14",
      { hidden_size: 1408, intermediate_size: 6144, num_hidden_layers: 40, num_attention_heads: 16, patch_size: 14 },
      1024,
      1_011_203_840,
      1_012_645_632,
    ],
    [
      "bigG/14",
      { hidden_size: 1664, intermediate_size: 8192, num_hidden_layers: 48, num_attention_heads: 16, patch_size: 14 },
      1280,
      1_842_777_344,
      1_844_907_264,
    ],
  ])("%s", (_, fields, projectionDim, bare, projected) => {
    const config = parseCLIPVisionConfig(fields, "");
    const count = (model: HostModel) => [...model.parameters().values()].reduce((sum, { size }) => sum + size, 0);
    expect(count(new CLIPVisionModel(config))).toBe(bare);
    expect(count(new CLIPVisionModel(config, { projectionDim }))).toBe(projected);
  });
});
