// Files of Python's PEFT that hold more than a method's own tensors: copies of modules, the host's biases, a resized vocabulary
// (fixtures/peft/saved-*).

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  getPeftModel,
  type HostModel,
  LoraConfig,
  loadHost,
  type Naming,
  PeftModel,
  readSafetensors,
  type T5ForConditionalGeneration,
  useEngine,
  writeSafetensors,
} from "../../src/index.js";
import { BOUNDS, expectClose, type Fixture, readAll, readFixture } from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";

interface Info {
  readonly host: string;
  readonly inputs: readonly string[];
}

const CASES = ["bias-all", "bias-tied", "modules", "pooler", "norms", "vocabulary"];
const directoryOf = (name: string): string => join(FIXTURES, "peft", `saved-${name}`);
const fixtureOf = (name: string): Fixture<Info> => readFixture<Info>(join(FIXTURES, "peft"), `saved-${name}`);
const configIn = async (folder: string): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(join(folder, "adapter_config.json"), "utf8"));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "peft-saved-"));
  await useEngine("compiled", { threads: 2 });
});
afterAll(() => rm(folder, { recursive: true }));

async function hostOf(name: string): Promise<HostModel> {
  const host = await loadHost(join(FIXTURES, fixtureOf(name).info.host));
  if (name === "vocabulary") await (host as T5ForConditionalGeneration).resizeTokenEmbeddings(45);
  return host;
}

async function expectLogits(name: string, model: HostModel): Promise<void> {
  const fixture = fixtureOf(name);
  const { logits } = await model(Object.fromEntries(fixture.info.inputs.map((input) => [input, fixture.input(input)])));
  const found = new Map([["logits", await logits.data()]]);
  logits.dispose();
  expectClose(found, fixture.group("output"), BOUNDS.outputs);
}

describe("a file of Python's PEFT", () => {
  it.each(CASES)("with %s gives the same logits, and leaves the host as it was when it is taken off", async (name) => {
    const host = await hostOf(name);
    const before = await readAll(host.parameters());
    const model = await PeftModel.fromPretrained(host, directoryOf(name));
    await expectLogits(name, model);
    model.unload();
    expect(await readAll(host.parameters())).toEqual(before);
    host.dispose();
  });

  it.each(CASES.flatMap((name) => (["hf4", "hf5"] as Naming[]).map((naming) => [name, naming] as const)))(
    "with %s gives the same logits when it is written here with names of %s and read again",
    async (name, naming) => {
      const out = join(folder, `${name}-${naming}`);
      const model = await PeftModel.fromPretrained(await hostOf(name), directoryOf(name));
      await model.savePretrained(out, { naming });
      model.dispose();
      const again = await PeftModel.fromPretrained(await hostOf(name), out);
      await expectLogits(name, again);
      again.dispose();
    },
  );

  it.each(CASES)("with %s gives the same logits when it is merged for good", async (name) => {
    const model = await PeftModel.fromPretrained(await hostOf(name), directoryOf(name));
    const merged = await model.mergeAndUnload();
    await expectLogits(name, merged);
    merged.dispose();
  });

  it("is read where its tensors have the adapter's name in them, and not where it is another's", async () => {
    const out = join(folder, "named");
    const model = await PeftModel.fromPretrained(await hostOf("pooler"), directoryOf("pooler"));
    await model.savePretrained(out);
    model.dispose();
    const path = join(out, "adapter_model.safetensors");
    const plain = await readSafetensors(path);
    const write = (name: string) => {
      const named = [...plain].map(([key, tensor]) => [key.replace(/(lora_[AB])\./, `$1.${name}.`), tensor] as const);
      return writeSafetensors(path, new Map(named), { format: "pt" });
    };
    for (const [inFile, adapterName] of [
      ["default", "default"],
      ["default", "mine"],
      ["mine", "mine"],
    ] as const) {
      await write(inFile);
      const named = await PeftModel.fromPretrained(await hostOf("pooler"), out, { adapterName });
      await expectLogits("pooler", named);
      await named.hotswapAdapter(out, { adapterName });
      named.dispose();
    }
    await write("other");
    const host = await hostOf("pooler");
    await expect(PeftModel.fromPretrained(host, out)).rejects.toMatchObject({ code: "KEY_MISMATCH" });
    host.dispose();
  });

  it("of another vocabulary is an error that says how many tokens it has, and what to call", async () => {
    const host = await loadHost(join(FIXTURES, "t5", "v1.0"));
    const before = await readAll(host.parameters());
    await expect(PeftModel.fromPretrained(host, directoryOf("vocabulary"))).rejects.toMatchObject({
      code: "KEY_MISMATCH",
      hint: expect.stringMatching(/trained with 45 tokens, and the host has \d+: call resizeTokenEmbeddings\(45\)/),
    });
    expect(await readAll(host.parameters())).toEqual(before);
    host.dispose();
  });

  it("of another vocabulary has rows that are not trained, and that are saved with the adapter", async () => {
    const host = await hostOf("vocabulary");
    const model = await PeftModel.fromPretrained(host, directoryOf("vocabulary"), { isTrainable: true });
    expect([...model.trainableParameters().keys()].filter((key) => !key.includes("lora_"))).toEqual([]);
    expect(model.adapterParameters().has("shared.weight")).toBe(true);
    model.dispose();
  });
});

describe("modules_to_save", () => {
  it.each([
    ["modules", "hf5", ["classifier", "mlp.fc1", "patch_embeddings"]],
    ["modules", "hf4", ["classifier", "intermediate", "patch_embeddings"]],
    ["norms", "hf5", ["layer_norm"]],
    ["pooler", "hf5", ["classifier", "pooler", "score"]],
  ] as const)("of %s is written for %s as names that mean the same modules there", async (name, naming, expected) => {
    const out = join(folder, `names-${name}-${naming}`);
    const model = await PeftModel.fromPretrained(await hostOf(name), directoryOf(name));
    await model.savePretrained(out, { naming });
    model.dispose();
    expect((await configIn(out)).modules_to_save).toEqual(expected);
  });
});

describe("modulesToSave", () => {
  it.each([
    [["output.dense"], ["fc2", "o_proj"]],
    [["mlp"], ["mlp"]],
    // The name alone means patch_embeddings too, and PEFT cannot copy one inside the other.
    [["embeddings"], ["vit.embeddings"]],
  ])(
    "%j of a ViT are written for transformers 5 as %j, and mean the same when they are read",
    async (given, written) => {
      const out = join(folder, `given-${given}`);
      const config = new LoraConfig({ r: 2, targetModules: ["query"], modulesToSave: given });
      const model = getPeftModel(await hostOf("modules"), config);
      const keys = [...model.adapterParameters().keys()];
      await model.savePretrained(out);
      const host = model.unload();
      expect((await configIn(out)).modules_to_save).toEqual(written);
      const again = await PeftModel.fromPretrained(host, out);
      expect([...again.adapterParameters().keys()]).toEqual(keys);
      again.dispose();
    },
  );
});

describe("fields of PEFT's that change nothing in a trained file", () => {
  it.each([
    ["eva_config", { init_lora_weights: "eva", eva_config: { rho: 2, tau: 0.99, whiten: false } }],
    ["mica", { init_lora_weights: "mica" }],
    ["target_parameters", { target_parameters: [] }],
    ["trainable_token_indices", { trainable_token_indices: [] }],
    ["layer_replication", { layer_replication: [] }],
    ["alora_invocation_tokens", { alora_invocation_tokens: [] }],
    ["runtime_config", { runtime_config: { ephemeral_gpu_offload: true } }],
    ["loftq_config", { loftq_config: { loftq_bits: 4 } }],
    ["corda_config", { corda_config: { corda_method: "ipm" } }],
    ["qalora_group_size", { use_qalora: false, qalora_group_size: 32 }],
    ["megatron_core", { megatron_config: null, megatron_core: "other.core" }],
  ])("are read over: %s", async (name, fields) => {
    const out = join(folder, `idle-${name}`);
    const model = await PeftModel.fromPretrained(await hostOf("pooler"), directoryOf("pooler"));
    await model.savePretrained(out);
    model.dispose();
    await writeFile(join(out, "adapter_config.json"), JSON.stringify({ ...(await configIn(out)), ...fields }));
    const read = await PeftModel.fromPretrained(await hostOf("pooler"), out);
    await expectLogits("pooler", read);
    read.dispose();
  });

  it.each([
    { init_lora_weights: "loftq", loftq_config: { loftq_bits: 4 } },
    { init_lora_weights: "corda" },
    { use_qalora: true, qalora_group_size: 16 },
    { megatron_config: { tensor_model_parallel_size: 2 } },
    { target_parameters: ["experts.gate"] },
    { layer_replication: [[0, 2]] },
  ])("are refused where they change something: %j", async (fields) => {
    const out = join(folder, "busy");
    const model = await PeftModel.fromPretrained(await hostOf("pooler"), directoryOf("pooler"));
    await model.savePretrained(out);
    await writeFile(join(out, "adapter_config.json"), JSON.stringify({ ...(await configIn(out)), ...fields }));
    const host = model.unload();
    await expect(PeftModel.fromPretrained(host, out)).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    host.dispose();
  });
});
