// Several adapters together: active at once, merged in part, and combined into one as PEFT combines them.
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { camelCase } from "../../src/adapters/config.js";
import {
  BottleneckConfig,
  type CombinationOptions,
  getPeftModel,
  type HostArray,
  type HostModel,
  IA3Config,
  LoraConfig,
  PeftModel,
  parseViTConfig,
  useEngine,
  ViTForImageClassification,
} from "../../src/index.js";
import {
  BOUNDS,
  expectClose,
  fillGolden,
  goldenArray,
  readAll,
  readFixture,
  SmallHost,
} from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";

const FOLDER = join(FIXTURES, "peft");

interface Info {
  readonly combinations: Record<string, { adapters: string[]; weights: number[] } & Record<string, unknown>>;
}

const small = (): SmallHost => {
  const host = new SmallHost();
  fillGolden(host.parameters());
  return host;
};

async function logits(model: HostModel, inputs: Record<string, HostArray>): Promise<Float32Array> {
  const { logits: tensor } = await model(inputs);
  const data = (await tensor.data()) as Float32Array;
  tensor.dispose();
  return data.slice();
}

beforeAll(async () => {
  await useEngine("compiled", { threads: 2 });
});

describe.each(["lora", "ia3"])("combining %s adapters as PEFT does", (method) => {
  const fixture = readFixture<Info>(FOLDER, `${method}-combined`);
  const inputs = { pixelValues: fixture.input("pixels"), inputIds: fixture.input("ids") };

  it.each(Object.keys(fixture.info.combinations))("%s gives PEFT's logits, active and merged", async (label) => {
    const { adapters, weights, ...options } = fixture.info.combinations[label]!;
    const [first, ...others] = adapters;
    const model = await PeftModel.fromPretrained(small(), join(FOLDER, `${method}-${first}`), { adapterName: first });
    for (const name of others) await model.loadAdapter(join(FOLDER, `${method}-${name}`), { adapterName: name });
    const camel = Object.fromEntries(Object.entries(options).map(([key, value]) => [camelCase(key), value]));
    await model.addWeightedAdapter(adapters, weights, "combined", camel as CombinationOptions);
    model.setAdapter("combined");
    const found = await logits(model, inputs);
    expectClose(new Map([[label, found]]), new Map([[label, fixture.group("output").get(label)!]]), BOUNDS.outputs);
    for (const name of adapters) model.deleteAdapter(name);
    const merged = await model.mergeAndUnload();
    expectClose(new Map([[label, await logits(merged, inputs)]]), new Map([[label, found]]), BOUNDS.outputs);
    merged.dispose();
  });
});

describe("combining adapters", () => {
  const pixels = () => readFixture(FOLDER, "lora-combined").input("pixels");
  const ids = () => readFixture(FOLDER, "lora-combined").input("ids");
  const fields = { r: 4, initLoraWeights: false, modulesToSave: null, targetModules: ["fc1", "words"] };
  const pair = (first: Partial<LoraConfig> = {}, second: Partial<LoraConfig> = {}): PeftModel => {
    const model = getPeftModel(small(), new LoraConfig({ ...fields, ...first }), { seed: 1 });
    model.addAdapter("second", new LoraConfig({ ...fields, ...second }), { seed: 2 });
    return model;
  };
  const combine = (model: PeftModel, options: CombinationOptions) =>
    model.addWeightedAdapter(["default", "second"], [1, 1], "combined", options);

  it.each(["dare_linear", "dare_ties", "dare_linear_svd", "dare_ties_svd"] as const)(
    "by %s depends on the seed alone, and with a density of 1 is without pruning",
    async (combinationType) => {
      const numbers = async (options: CombinationOptions) => {
        const model = pair();
        await combine(model, options);
        const found = await readAll(model.adapterParameters("combined") as Map<string, never>);
        model.dispose();
        return found;
      };
      const seeded = (seed: number) => numbers({ combinationType, density: 0.5, seed });
      expect(await seeded(1)).toEqual(await seeded(1));
      expect(await seeded(1)).not.toEqual(await seeded(2));
      const without = combinationType.replace("dare_linear_svd", "svd").replace("dare_", "");
      const whole = await numbers({ combinationType, density: 1 });
      const plain = await numbers({ combinationType: without as "svd", density: 1 });
      const product = (found: Map<string, Float32Array>) =>
        Float32Array.from({ length: 80 }, (_, at) =>
          [0, 1, 2, 3].reduce((sum, k) => {
            const [b, a] = [found.get("fc1.lora_B.weight")!, found.get("fc1.lora_A.weight")!];
            return sum + b[Math.floor(at / 8) * 4 + k]! * a[k * 8 + (at % 8)]!;
          }, 0),
        );
      expectClose(new Map([["fc1", product(whole)]]), new Map([["fc1", product(plain)]]), 1e-5);
    },
  );

  it("gives an adapter that is combined alone again, whatever its scalings and ranks", async () => {
    const inputs = { pixelValues: pixels(), inputIds: ids() };
    const model = pair({ useRslora: true, loraAlpha: 3, rankPattern: { fc1: 2 }, alphaPattern: { words: 5 } });
    await model.setScale("default", { fc1: 0.5 });
    const own = await logits(model, inputs);
    await model.addWeightedAdapter(["default"], [1], "combined");
    await model.addWeightedAdapter(["default", "second"], [1, 0], "cat", { combinationType: "cat" });
    for (const name of ["combined", "cat"]) {
      model.setAdapter(name);
      expectClose(new Map([[name, await logits(model, inputs)]]), new Map([[name, own]]), BOUNDS.outputs);
    }
    model.dispose();
  });

  it("refuses what does not go together, and then adds nothing", async () => {
    const refused = async (model: PeftModel, options: CombinationOptions, message: RegExp) => {
      await expect(combine(model, options)).rejects.toThrow(message);
      expect([...model.peftConfig.keys()]).toEqual(["default", "second"]);
      model.dispose();
    };
    await refused(pair({ r: 2 }), { combinationType: "linear" }, /ranks 2, 4/);
    await refused(pair({ rankPattern: { fc1: 2 } }), { combinationType: "linear" }, /other ranks at "fc1"/);
    await refused(pair(), { combinationType: "ties" }, /needs a density/);
    await refused(pair(), { svdRank: 0 }, /svdRank/);
    await refused(pair({ useDora: true }), {}, /useDora/);
    await refused(pair({ loraBias: true, targetModules: ["fc1"] }), {}, /loraBias/);
    await refused(pair({ targetModules: ["grouped"] }, { targetModules: ["grouped"] }), {}, /groups/);
    await refused(pair({ modulesToSave: ["head"] }, { modulesToSave: ["head"] }), {}, /both hold head/);
    const mixed = getPeftModel(small(), new LoraConfig(fields));
    mixed.addAdapter("second", new IA3Config({ targetModules: ["fc1"], modulesToSave: null }));
    await refused(mixed, {}, /LORA, IA3 cannot be combined/);
    const one = pair();
    await expect(one.addWeightedAdapter(["default"], [], "combined")).rejects.toThrow(/one finite weight/);
    await expect(one.addWeightedAdapter(["default", "x"], [1, 1], "combined")).rejects.toThrow(/no adapter named "x"/);
  });

  it("of (IA)3 refuses a layer that is a feed-forward layer to one of them only", async () => {
    const own = { targetModules: ["fc1"], modulesToSave: null };
    const model = getPeftModel(small(), new IA3Config(own));
    model.addAdapter("second", new IA3Config({ ...own, feedforwardModules: ["fc1"] }));
    await expect(combine(model, {})).rejects.toThrow(/"fc1" is a feed-forward layer to some/);
  });
});

describe("adapters of several methods", () => {
  const config = parseViTConfig(
    {
      hidden_size: 16,
      num_hidden_layers: 2,
      num_attention_heads: 2,
      intermediate_size: 24,
      image_size: 16,
      patch_size: 8,
      id2label: { 0: "a", 1: "b" },
    },
    "test",
  );
  const vit = (): ViTForImageClassification => {
    const host = new ViTForImageClassification(config);
    fillGolden(host.parameters());
    return host;
  };
  const pixelValues: HostArray = { data: goldenArray(7, 768, 1), shape: [1, 3, 16, 16], dtype: "float32" };

  async function three(host: HostModel): Promise<PeftModel> {
    const none = { modulesToSave: null };
    const model = getPeftModel(host, new LoraConfig({ r: 2, targetModules: ["query", "fc1"], ...none }));
    model.addAdapter("dora", new LoraConfig({ r: 2, useDora: true, targetModules: ["fc1"], ...none }));
    model.addAdapter("ia3", new IA3Config({ targetModules: ["key", "fc1"], feedforwardModules: ["fc1"], ...none }));
    model.addAdapter("bottleneck", new BottleneckConfig({ bottleneck: 2, ...none }));
    for (const [i, name] of ["default", "dora", "ia3", "bottleneck"].entries()) {
      for (const [k, parameter] of [...model.adapterParameters(name).values()].entries()) {
        const move = goldenArray(9000 + 100 * i + k, parameter.size, 0.1);
        await parameter.write((await parameter.read()).map((x, n) => x + move[n]!) as Float32Array);
      }
    }
    return model;
  }

  it("are active together, each with its part in the output and its own parameters trained", async () => {
    const model = await three(vit());
    const seen = new Set<string>();
    for (const names of [["default"], ["dora"], ["ia3"], ["bottleneck"], ["default", "dora", "ia3", "bottleneck"]]) {
      model.setAdapter(names);
      seen.add(String(await logits(model, { pixelValues })));
      const trained = [...model.trainableParameters().keys()];
      expect(new Set(trained.map((key) => key.split(":")[0]))).toEqual(new Set(names));
    }
    expect(seen.size).toBe(5);
    model.dispose();
  });

  it("that are linear are merged one upon the other with the same logits, and those named are merged for good", async () => {
    const bare = vit();
    const zero = await logits(bare, { pixelValues });
    const model = await three(bare);
    model.setAdapter(["default", "dora", "ia3"]);
    const active = await logits(model, { pixelValues });
    await model.merge();
    expectClose(
      new Map([["merged", await logits(model, { pixelValues })]]),
      new Map([["merged", active]]),
      BOUNDS.outputs,
    );
    model.unmerge();
    expect(await logits(model, { pixelValues })).toEqual(active);
    model.setAdapter(["default", "ia3"]);
    const two = await logits(model, { pixelValues });
    model.setAdapter("bottleneck");
    await expect(model.mergeAndUnload()).rejects.toThrow(/cannot be merged/);
    const host = await model.mergeAndUnload({ adapterNames: ["ia3", "default"] });
    expect(await logits(host, { pixelValues })).not.toEqual(zero);
    expectClose(new Map([["named", await logits(host, { pixelValues })]]), new Map([["named", two]]), BOUNDS.outputs);
    host.dispose();
  });
});
