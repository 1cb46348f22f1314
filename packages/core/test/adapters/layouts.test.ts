import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import {
  BertForSequenceClassification,
  BottleneckConfig,
  env,
  getPeftModel,
  type HostModel,
  LAYOUTS,
  LoraConfig,
  type ModelArguments,
  type PeftModel,
  readSafetensors,
  useEngine,
  ViTForImageClassification,
  writeSafetensors,
} from "../../src/index.js";
import { goldenArray } from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";

const adapterhub = LAYOUTS.adapterhub!;
const bert = () => BertForSequenceClassification.fromPretrained(join(FIXTURES, "bert", "tiny-sequence"));
const vit = () => ViTForImageClassification.fromPretrained(join(FIXTURES, "vit", "tiny"));
const TEXTS = { inputIds: { data: Int32Array.of(2, 5, 7, 3, 9, 3), shape: [2, 3], dtype: "int32" as const } };
const PICTURES = {
  pixelValues: { data: goldenArray(7, 3 * 32 * 32, 1), shape: [1, 3, 32, 32], dtype: "float32" as const },
};

async function logitsOf(model: HostModel, inputs: ModelArguments): Promise<number[]> {
  const { logits } = await model(inputs);
  const data = [...(await logits.data())];
  logits.dispose();
  return data;
}

async function moved(host: HostModel, config: BottleneckConfig): Promise<PeftModel> {
  const model = getPeftModel(host, config);
  for (const [i, parameter] of [...model.trainableParameters().values()].entries()) {
    await parameter.write(goldenArray(100 + i, parameter.size, 0.3));
  }
  return model;
}

describe("AdapterHub's layout", () => {
  let folder = "";
  const warn = vi.spyOn(env, "warn").mockImplementation(() => {});
  beforeAll(async () => {
    await useEngine("compiled", { threads: 2 });
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "peft-layout-"));
    warn.mockClear();
  });
  afterEach(() => rm(folder, { recursive: true }));

  const plain = { modulesToSave: null, dropout: 0 } as const;
  it.each([
    [
      "double_seq_bn",
      bert,
      TEXTS,
      new BottleneckConfig({
        ...plain,
        style: "pfeiffer",
        sides: ["attention", "ffn"],
        norm: false,
        bottleneck: 8,
        activation: "silu",
      }),
    ],
    [
      "a parallel one of an odd width, with a learnt scale",
      bert,
      TEXTS,
      new BottleneckConfig({ ...plain, norm: false, bottleneck: 5, scale: "learned", leaveOut: [0] }),
    ],
    ["AdaptFormer in a ViT", vit, PICTURES, new BottleneckConfig({ ...plain, bottleneck: 4 })],
    [
      "Houlsby's in a ViT, with norms",
      vit,
      PICTURES,
      new BottleneckConfig({ ...plain, bottleneck: 4, style: "houlsby", norm: true }),
    ],
  ] as [string, () => Promise<HostModel>, ModelArguments, BottleneckConfig][])(
    "keeps what %s computes, there and back",
    async (_, host, inputs, config) => {
      const model = await moved(await host(), config);
      await adapterhub.write(model, folder);
      const back = await adapterhub.read(await host(), folder);
      expect(await logitsOf(back, inputs)).toEqual(await logitsOf(model, inputs));
      expect(warn).toHaveBeenCalledTimes(host === vit ? 2 : 0);
      model.dispose();
      back.dispose();
    },
  );

  it("has the library's names and fields", async () => {
    const config = new BottleneckConfig({
      style: "pfeiffer",
      sides: ["attention", "ffn"],
      norm: false,
      bottleneck: 8,
      activation: "silu",
    });
    const model = await moved(await bert(), config);
    await adapterhub.write(model, folder);
    expect(warn).toHaveBeenCalledWith(
      expect.objectContaining({ message: expect.stringContaining("the head is left out") }),
    );
    const tensors = await readSafetensors(join(folder, "adapter.safetensors"));
    const ends = ["adapter_down.0.bias", "adapter_down.0.weight", "adapter_up.bias", "adapter_up.weight"];
    const places = [0, 1].flatMap((i) =>
      [`attention.output`, `output`].map((at) => `bert.encoder.layer.${i}.${at}.adapters.default`),
    );
    expect([...tensors.keys()].sort()).toEqual(places.flatMap((at) => ends.map((end) => `${at}.${end}`)).sort());
    const text = await readFile(join(folder, "adapter_config.json"), "utf8");
    // Python has to read a float.
    expect(text).toContain('"scaling": 1.0');
    expect(JSON.parse(text)).toMatchObject({
      config: {
        mh_adapter: true,
        output_adapter: true,
        non_linearity: "swish",
        reduction_factor: 4,
        original_ln_before: false,
        is_parallel: false,
      },
      hidden_size: 32,
      model_type: "bert",
      name: "default",
    });
    model.dispose();
  });

  it("refuses what does not fit in one error, and what would compute something else by its field", async () => {
    const model = await moved(await bert(), new BottleneckConfig({ ...plain, norm: false, bottleneck: 8 }));
    await adapterhub.write(model, folder);
    const file = join(folder, "adapter.safetensors");
    const tensors = await readSafetensors(file);
    const [first, second] = [...tensors.keys()] as [string, string];
    const changed = new Map(tensors)
      .set("stranger", tensors.get(first)!)
      .set(second, { ...tensors.get(second)!, shape: [2, tensors.get(second)!.data.length / 2] });
    changed.delete(first);
    await writeSafetensors(file, changed);
    const host = await bert();
    const bare = await logitsOf(host, TEXTS);
    await expect(adapterhub.read(host, folder)).rejects.toMatchObject({
      code: "KEY_MISMATCH",
      details: { missing: [first], unexpected: ["stranger"], misshapen: [expect.objectContaining({ name: second })] },
    });
    expect(await logitsOf(host, TEXTS)).toEqual(bare);

    const path = join(folder, "adapter_config.json");
    const json = JSON.parse(await readFile(path, "utf8"));
    await writeFile(
      path,
      JSON.stringify({ ...json, config: { ...json.config, is_parallel: false, original_ln_before: true } }),
    );
    await expect(adapterhub.read(host, folder)).rejects.toThrow(/style houlsby .* BertForSequenceClassification/);
    await writeFile(path, JSON.stringify({ ...json, config: { ...json.config, ln_after: true } }));
    await expect(adapterhub.read(host, folder)).rejects.toThrow(/config\.ln_after/);
    const lora = getPeftModel(host, new LoraConfig());
    await expect(adapterhub.write(lora, folder)).rejects.toMatchObject({ code: "TARGET_UNSUPPORTED" });
    lora.dispose();
    const behind = getPeftModel(await bert(), new BottleneckConfig({ style: "houlsby", norm: false }));
    await expect(adapterhub.write(behind, folder)).rejects.toThrow(/style houlsby/);
    behind.dispose();
    model.dispose();
  });
});
