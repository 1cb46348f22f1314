// Which modules are trained as a whole, by PEFT's rules, and what is refused because transformers' modules share a weight there.

import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  env,
  FullConfig,
  getPeftModel,
  LinearProbeConfig,
  LoraConfig,
  loadHost,
  type PeftWarning,
  useEngine,
} from "../../src/index.js";
import { FIXTURES } from "../fixtures.js";

const warnings: PeftWarning[] = [];
const { warn } = env;
beforeAll(() => useEngine("compiled", { threads: 2 }));
beforeEach(() => {
  warnings.length = 0;
  env.warn = (warning) => warnings.push(warning);
});
afterEach(() => {
  env.warn = warn;
});

/** Names of the parameters that are copied. */
async function saved(folder: string, ...modulesToSave: string[]): Promise<string[]> {
  const host = await loadHost(join(FIXTURES, folder));
  try {
    return [...getPeftModel(host, new LinearProbeConfig({ modulesToSave })).adapterParameters().keys()];
  } finally {
    host.dispose();
  }
}

describe("modules to be saved", () => {
  it("are found by the end of their path, after a dot or not, in either spelling", async () => {
    const norms = await saved("t5/v1.0", "layer_norm");
    expect(norms).toContain("encoder.final_layer_norm.weight");
    expect(norms).toContain("decoder.block.0.layer.0.layer_norm.weight");
    expect(await saved("vit/tiny", "mlp.fc1")).toEqual(await saved("vit/tiny", "intermediate.dense"));
    expect(await saved("vit/tiny", "layers.1.mlp")).toEqual(
      ["intermediate", "output"].flatMap((part) =>
        ["weight", "bias"].map((kind) => `vit.encoder.layer.1.${part}.dense.${kind}`),
      ),
    );
  });

  it("may only hold other modules, but are no lists, which PEFT does not copy", async () => {
    expect(await saved("bert/tiny-sequence", "pooler")).toEqual(["bert.pooler.dense.weight", "bert.pooler.dense.bias"]);
    expect((await saved("vit/tiny", "patch_embeddings")).length).toBe(2);
    expect((await saved("bert/tiny-sequence", "encoder")).length).toBe(32);
    await expect(saved("bert/tiny-sequence", "encoder.layer")).rejects.toMatchObject({ code: "TARGET_NOT_FOUND" });
  });

  it("are not adapted as well, in whichever spelling they are named", async () => {
    const host = await loadHost(join(FIXTURES, "vit", "tiny"));
    const model = getPeftModel(host, new LoraConfig({ targetModules: "all-linear", modulesToSave: ["mlp.fc1"] }));
    const keys = [...model.adapterParameters().keys()];
    expect(keys.filter((key) => key.includes("intermediate") && key.includes("lora"))).toEqual([]);
    expect(keys.filter((key) => key.includes("intermediate")).length).toBe(4);
    model.dispose();
  });

  it.each([
    ["bert/tiny-mlm", "word_embeddings", "cls.predictions.decoder.weight"],
    ["bert/tiny-mlm", "embeddings", "cls.predictions.decoder.weight"],
    ["bert/tiny-mlm", "cls", "cls.predictions.decoder.weight"],
    ["bert/tiny-mlm", "decoder", "bert.embeddings.word_embeddings.weight"],
    ["roberta/tiny-mlm", "lm_head", "roberta.embeddings.word_embeddings.weight"],
    ["t5/v1.0", "shared", "lm_head.weight"],
    ["t5/v1.0", "lm_head", "shared.weight"],
    ["t5/v1.0", "encoder", "encoder.embed_tokens.weight"],
    ["t5/v1.1", "shared", "encoder.embed_tokens.weight"],
    ["bart/generation", "embed_tokens", "model.shared.weight"],
    ["bart/classification", "shared", "model.decoder.embed_tokens.weight"],
  ])("of %s are refused where a weight is tied: %s, which shares %s", async (folder, name, other) => {
    await expect(saved(folder, name)).rejects.toMatchObject({
      code: "TARGET_UNSUPPORTED",
      message: expect.stringContaining(other),
      hint: expect.stringContaining("FullConfig"),
    });
  });

  it("are copied where nothing is tied: a head of T5's own, a layer of BERT's, the words of a classifier", async () => {
    expect(await saved("t5/v1.1", "lm_head")).toEqual(["lm_head.weight"]);
    expect((await saved("bert/tiny-mlm", "transform")).length).toBe(4);
    expect(await saved("bert/tiny-sequence", "word_embeddings")).toEqual(["bert.embeddings.word_embeddings.weight"]);
  });
});

describe("a tied weight", () => {
  it.each(["t5/v1.0", "t5/v1.1", "bart/generation", "bart/classification"])(
    "of %s takes no adapter at the module that transformers never runs",
    async (folder) => {
      const host = await loadHost(join(FIXTURES, folder));
      const attach = () => getPeftModel(host, new LoraConfig({ targetModules: ["shared"], modulesToSave: null }));
      expect(attach).toThrow(expect.objectContaining({ code: "TARGET_UNSUPPORTED", place: "targetModules" }));
      host.dispose();
    },
  );

  it("is trained as one by FullConfig", async () => {
    const host = await loadHost(join(FIXTURES, "t5", "v1.0"));
    const model = getPeftModel(host, new FullConfig({ targetModules: ["shared"] }));
    expect([...model.adapterParameters().keys()]).toEqual(["shared.weight"]);
    model.dispose();
  });

  it.each(["bert/tiny-mlm", "roberta/tiny-mlm"])(
    "of %s is adapted at the words alone, and merging warns that the head changes too",
    async (folder) => {
      const host = await loadHost(join(FIXTURES, folder));
      const model = getPeftModel(host, new LoraConfig({ targetModules: ["word_embeddings"] }));
      expect(warnings).toEqual([]);
      await model.merge();
      expect(warnings).toEqual([
        { code: "MERGE_TIED", message: expect.stringMatching(/word_embeddings\.weight changes .*decoder\.weight/) },
      ]);
      model.dispose();
    },
  );
});
