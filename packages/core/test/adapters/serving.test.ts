// Adapters in use: swapped without a new session, scaled layer by layer, one for each example of a batch, and looked at.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { CompiledEngine } from "../../src/engine/compiled.js";
import { engineState } from "../../src/engine/state.js";
import {
  getPeftModel,
  type HostArray,
  type HostModel,
  IA3Config,
  LinearProbeConfig,
  LoraConfig,
  type LoraFields,
  type PeftConfig,
  PeftModel,
  useEngine,
} from "../../src/index.js";
import {
  BOUNDS,
  expectClose,
  fillGolden,
  goldenArray,
  readFixture,
  relativeError,
  SmallHost,
} from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";

const fixture = readFixture<{ mixed: string[] }>(join(FIXTURES, "peft"), "lora-combined");
const batch = (): Record<string, HostArray> => ({
  pixelValues: fixture.input("pixels"),
  inputIds: fixture.input("ids"),
});
const small = (): SmallHost => {
  const host = new SmallHost();
  fillGolden(host.parameters());
  return host;
};
const lora = (fields: Partial<LoraFields> = {}) =>
  new LoraConfig({ r: 2, modulesToSave: null, targetModules: ["stem", "words", "fc1"], ...fields });

async function logits(model: HostModel, inputs: Record<string, HostArray> = batch()): Promise<Float32Array> {
  const { logits: tensor } = await model(inputs);
  const data = (await tensor.data()) as Float32Array;
  tensor.dispose();
  return data.slice();
}

async function moved(config: PeftConfig, seed: number, host: HostModel = small()): Promise<PeftModel> {
  const model = getPeftModel(host, config);
  for (const [i, parameter] of [...model.trainableParameters().values()].entries()) {
    const move = goldenArray(9000 * seed + i, parameter.size, 0.3);
    await parameter.write((await parameter.read()).map((x, k) => x + move[k]!) as Float32Array);
  }
  return model;
}

const folders: string[] = [];
async function saved(model: PeftModel): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "peft-"));
  folders.push(folder);
  await model.savePretrained(folder);
  return folder;
}
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true });
});

let runs: ReturnType<typeof vi.spyOn>;
/** Graphs that the device has run so far: each is one session. */
const sessions = (): number => new Set(runs.mock.calls.map(([key]: unknown[]) => key)).size;
/** A host that counts how often it is traced. */
function counted(): { host: SmallHost; traced: () => number } {
  const host = small();
  let count = 0;
  const { forward } = host;
  host.forward = (inputs) => {
    count++;
    return forward.call(host, inputs);
  };
  return { host, traced: () => count };
}

beforeAll(async () => {
  await useEngine("compiled", { threads: 2 });
});
beforeEach(() => {
  runs = vi.spyOn((engineState().engine as CompiledEngine).device, "run");
});
afterEach(() => {
  runs.mockRestore();
});

describe("an adapter of the shapes of another", () => {
  it("is added, switched to and merged without a new session: graphs know nothing of whose numbers they compute with", async () => {
    const host = small();
    const bare = await logits(host);
    const model = await moved(lora(), 1, host);
    const first = await logits(model);
    await model.merge();
    const merged = await logits(model);
    model.unmerge();
    const before = sessions();
    model.addAdapter("second", lora());
    model.setAdapter("second");
    for (const [i, parameter] of [...model.trainableParameters().values()].entries()) {
      await parameter.write(goldenArray(70 + i, parameter.size, 0.3));
    }
    const second = await logits(model);
    model.setAdapter("default");
    expect(await logits(model)).toEqual(first);
    model.deleteAdapter("default");
    model.setAdapter("second");
    expect(await logits(model)).toEqual(second);
    await model.merge();
    const secondMerged = await logits(model);
    expect(sessions()).toBe(before);
    expect(second).not.toEqual(first);
    expect(relativeError(merged, first)).toBeLessThanOrEqual(1e-5);
    expect(relativeError(secondMerged, second)).toBeLessThanOrEqual(1e-5);
    expect(bare).not.toEqual(first);
    model.dispose();
  });
});

describe("swapping an adapter", () => {
  it("gives what the other computes, scalings too, in the same session and without tracing", async () => {
    const other = await moved(lora({ r: 2, loraAlpha: 6, alphaPattern: { words: 1 }, rankPattern: {} }), 2);
    const [folder, wanted] = [await saved(other), await logits(other)];
    const { host, traced } = counted();
    const model = await moved(lora({ loraAlpha: 3, useRslora: true }), 1, host);
    const first = await logits(model);
    const [before, graphs] = [sessions(), traced()];
    await model.hotswapAdapter(folder);
    expect(await logits(model)).toEqual(wanted);
    expect([sessions(), traced()]).toEqual([before, graphs]);
    expect(model.peftConfig.get("default")).toMatchObject({ loraAlpha: 6, useRslora: false });
    const again = await saved(model);
    expect(JSON.parse(await readFile(join(again, "adapter_config.json"), "utf8"))).toMatchObject({
      lora_alpha: 6,
      alpha_pattern: { words: 1 },
      use_rslora: false,
    });
    await model.setScale("default", 1);
    expect(await logits(model)).toEqual(wanted);
    expect(first).not.toEqual(wanted);
    model.dispose();
  });

  it("of (IA)3, and of a method that has nothing but its tensors, takes the numbers", async () => {
    const ia3 = new IA3Config({ targetModules: ["fc1", "mix"], feedforwardModules: ["mix"], modulesToSave: null });
    for (const config of [ia3, new LinearProbeConfig()]) {
      const other = await moved(config, 2);
      const model = await moved(config, 1);
      await model.hotswapAdapter(await saved(other));
      expect(await logits(model)).toEqual(await logits(other));
    }
  });

  it("refuses another method, a config that computes otherwise, and other shapes, and changes nothing", async () => {
    const model = await moved(lora(), 1);
    const first = await logits(model);
    const swap = async (config: PeftConfig) => model.hotswapAdapter(await saved(getPeftModel(small(), config)));
    await expect(swap(new IA3Config({ targetModules: ["fc1"], modulesToSave: null }))).rejects.toThrow(/peft_type/);
    await expect(swap(lora({ useDora: true }))).rejects.toThrow(/use_dora/);
    await expect(swap(lora({ loraDropout: 0.5 }))).rejects.toThrow(/lora_dropout/);
    await expect(swap(lora({ r: 3 }))).rejects.toThrow(expect.objectContaining({ code: "KEY_MISMATCH" }));
    await expect(swap(lora({ targetModules: ["fc1"] }))).rejects.toThrow(
      expect.objectContaining({ code: "KEY_MISMATCH" }),
    );
    expect(await logits(model)).toEqual(first);
    const ia3 = await moved(new IA3Config({ targetModules: ["mix"], modulesToSave: null }), 1);
    const inner = new IA3Config({ targetModules: ["mix"], feedforwardModules: ["mix"], modulesToSave: null });
    await expect(ia3.hotswapAdapter(await saved(getPeftModel(small(), inner)))).rejects.toThrow(
      /"mix" is a feed-forward/,
    );
  });
});

describe("scaling an adapter layer by layer", () => {
  it("leaves the layers that no pattern means as trained, and traces nothing", async () => {
    const { host, traced } = counted();
    const model = await moved(lora(), 1, host);
    const one = await logits(model);
    await model.setScale("default", { stem: 0, "fc\\d": 0.5 });
    const part = await logits(model);
    expect(part).not.toEqual(one);
    expect(traced()).toBe(1);
    await model.setScale("default", { stem: 0, words: 0, fc1: 0 });
    expect(await logits(model)).toEqual(await model.disableAdapter(() => logits(model)));
    await model.setScale("default", 1);
    expect(await logits(model)).toEqual(one);
    await expect(model.setScale("default", { fc9: 1 })).rejects.toThrow(/no layer that is meant by "fc9"/);
    model.dispose();
  });
});

describe("a batch whose examples have adapters of their own", () => {
  const folder = join(FIXTURES, "peft");
  async function two(host: HostModel = small()): Promise<PeftModel> {
    const model = await PeftModel.fromPretrained(host, join(folder, "lora-a"), { adapterName: "a" });
    await model.loadAdapter(join(folder, "lora-b"), { adapterName: "b" });
    model.setAdapter(["a", "b"]);
    return model;
  }

  it("gives PEFT's logits, and whatever the adapters are, is one graph", async () => {
    const { host, traced } = counted();
    const model = await two(host);
    const mixed = (names: string[]) => logits(model, { ...batch(), adapterIndices: model.adapterIndices(names) });
    const found = await mixed(fixture.info.mixed);
    const before = sessions();
    expectClose(
      new Map([["mixed", found]]),
      new Map([["mixed", fixture.group("mixed").get("logits")!]]),
      BOUNDS.outputs,
    );
    const alone = new Map([["__base__", await model.disableAdapter(() => logits(model))]]);
    const others = await mixed(["a", "a", "__base__"]);
    expect(traced()).toBe(2);
    expect(sessions()).toBe(before + 1);
    for (const name of ["a", "b"]) {
      model.setAdapter(name);
      alone.set(name, await logits(model));
    }
    const rowsOf = (names: string[]) =>
      Float32Array.from(names.flatMap((name, i) => [...alone.get(name)!.subarray(4 * i, 4 * i + 4)]));
    expectClose(new Map([["first", found]]), new Map([["first", rowsOf(fixture.info.mixed)]]), 1e-6);
    expectClose(new Map([["others", others]]), new Map([["others", rowsOf(["a", "a", "__base__"])]]), 1e-6);
    model.dispose();
  });

  it("has biases of B where they are meant, and works on the eager engine", async () => {
    const model = await moved(lora({ loraBias: true, targetModules: ["stem", "fc1"] }), 1);
    const names = ["default", "__base__", "default"];
    const mixed = () => logits(model, { ...batch(), adapterIndices: model.adapterIndices(names) });
    const all = await logits(model);
    const bare = await model.disableAdapter(() => logits(model));
    const wanted = Float32Array.from([...all.subarray(0, 4), ...bare.subarray(4, 8), ...all.subarray(8)]);
    expectClose(new Map([["mixed", await mixed()]]), new Map([["mixed", wanted]]), 1e-6);
    await useEngine("eager");
    expectClose(new Map([["mixed", await mixed()]]), new Map([["mixed", wanted]]), 1e-6);
    model.dispose();
    await useEngine("compiled", { threads: 2 });
  });

  it("refuses names that are not active, methods and heads that work on all examples, and merged adapters", async () => {
    const model = await two();
    expect(() => model.adapterIndices(["a", "c"])).toThrow(expect.objectContaining({ code: "ADAPTER_UNKNOWN" }));
    const inputs = { ...batch(), adapterIndices: model.adapterIndices(["a", "b", "a"]) };
    await model.merge();
    await expect(logits(model, inputs)).rejects.toThrow(/unmerge/);
    model.unmerge();
    await logits(model, inputs);
    model.addAdapter("ia3", new IA3Config({ targetModules: ["fc1"], modulesToSave: null }));
    model.setAdapter(["a", "b", "ia3"]);
    await expect(logits(model, inputs)).rejects.toThrow(/"ia3", of IA3, works on all examples or none/);
    model.addAdapter("headed", lora({ modulesToSave: ["head"] }));
    model.setAdapter(["a", "headed"]);
    await expect(logits(model, inputs)).rejects.toThrow(/"headed" holds head.weight/);
    model.dispose();
  });
});

describe("the status of a model", () => {
  it("names the layers with their adapters, and sums up the whole", async () => {
    const model = getPeftModel(small(), lora());
    model.addAdapter("second", new IA3Config({ targetModules: ["fc1", "fc2"] }));
    const both = ["default", "second"];
    expect(model.getLayerStatus()).toEqual([
      status("stem", "Conv2d", ["default"]),
      status("words", "Embedding", ["default"]),
      status("fc1", "Linear", both),
      { ...status("fc2", "Linear", ["second"]), activeAdapters: [] },
      { ...status("head", "Linear", ["second"]), activeAdapters: [] },
    ]);
    model.setAdapter(both);
    await model.merge();
    expect(model.getLayerStatus()[2]).toMatchObject({ activeAdapters: both, mergedAdapters: both });
    const whole = model.getModelStatus();
    expect(whole).toMatchObject({
      baseModelType: "SmallHost",
      peftTypes: { default: "LORA", second: "IA3" },
      numAdapterLayers: 5,
      enabled: true,
      availableAdapters: both,
      activeAdapters: both,
      mergedAdapters: both,
      trainable: { default: true, second: true },
    });
    expect(whole.trainableParams).toBe(model.getNbTrainableParameters().trainable);
    expect(model.disableAdapter(() => model.getModelStatus()).enabled).toBe(false);
    model.dispose();

    function status(name: string, moduleType: string, availableAdapters: string[]) {
      return {
        name,
        moduleType,
        availableAdapters,
        activeAdapters: ["default"],
        mergedAdapters: [],
        trainable: Object.fromEntries(availableAdapters.map((adapter) => [adapter, true])),
      };
    }
  });
});
