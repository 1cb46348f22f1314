import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  BottleneckConfig,
  compile,
  getPeftModel,
  inTraining,
  LoraConfig,
  nameModules,
  PeftModel,
  RESIDUAL_STYLES,
  type ResidualStyle,
  useEngine,
} from "@peft/core";
import { goldenArray, relativeError } from "@peft/core/testing";
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { type Experts, type MergeRule, MosaAdapter, MosaConfig, mergeExperts, SplitLinear } from "../src/index.js";
import { projection } from "../src/sides.js";
import { logitsOf, moved, readAll, tinyHost, tinySwin, train } from "./tiny.js";

const numbers = async (tensor: tf.Tensor): Promise<Float32Array> => {
  const data = (await tensor.data()).slice() as Float32Array;
  tensor.dispose();
  return data;
};

const hostOf = (style: ResidualStyle) => (style === "swin" ? tinySwin() : tinyHost());

/** A side whose every number differs from its neighbours. */
async function filled(
  split: "up" | "down",
  numExperts: number,
  { merge }: { merge?: MergeRule } = {},
): Promise<SplitLinear> {
  const init = split === "down" ? () => goldenArray(5, 6 * 5, 0.5) : undefined;
  const side = new SplitLinear(5, 6, { numExperts, splitMode: "all", seed: 0, init, merge });
  nameModules(side, "side");
  side.weight.adopt(goldenArray(1, 30, 0.5));
  side.experts.bias!.adopt(goldenArray(2, 6 * numExperts, 0.5));
  return side;
}

describe.each(["compiled", "eager"] as const)("merged experts, %s", (engine) => {
  beforeAll(async () => {
    await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
  });

  it("give the mean of the experts' outputs where only the up side is split (§8.6)", async () => {
    const N = 4;
    const adapter = new MosaAdapter(8, {
      bottleneck: 3,
      activation: "gelu",
      norm: true,
      scale: 0.5,
      dropout: 0,
      split: "up-only",
      numExperts: N,
      splitMode: "all",
      sparse: true,
      seed: 0,
    });
    nameModules(adapter, "block.mosa");
    const up = adapter.up as SplitLinear;
    up.weight.adopt(goldenArray(3, 24, 1));
    up.experts.bias!.adopt(goldenArray(4, 8 * N, 1));
    const x = { data: goldenArray(6, 2 * 5 * 8, 1), shape: [2, 5, 8], dtype: "float32" as const };
    const run = compile((input) => {
      const of = (e: number) =>
        inTraining(() => up.withExperts(tf.tensor1d([e], "int32"), () => adapter.forward(input!)));
      const mean = tf.div(tf.addN(Array.from({ length: N }, (_, e) => of(e))), N);
      return { merged: adapter.forward(input!), mean };
    });
    const { merged, mean } = await run(x);
    const [ours, wanted] = [await numbers(merged), await numbers(mean)];
    expect(Math.max(...ours.map((value, i) => Math.abs(value - wanted[i]!)))).toBeLessThan(1e-6);
  });

  it("are 1/N of what was trained, over 1/N of nothing or the whole of the common start (§8.7)", async () => {
    for (const split of ["up", "down"] as const) {
      const side = await filled(split, 5);
      const initial = side.initial ? await side.initial.read() : new Float32Array(30);
      side.weight.adopt(Float32Array.from(initial, (w0) => w0 + 1));
      side.experts.bias!.adopt(new Float32Array(30));
      const merged = await compile(() => ({ ...side.merged() }) as Record<string, tf.Tensor>)();
      const weight = await numbers(merged.weight!);
      for (const [j, w0] of initial.entries()) expect(Math.abs(weight[j]! - (w0 + 1 / 5))).toBeLessThan(1e-6);
      expect(Array.from(await numbers(merged.bias!))).toEqual([0, 0, 0, 0, 0, 0]);
    }
  });

  it("are, by joint, 1/N of each owner's entry, start included, and of the last expert's bias (§8.7)", async () => {
    const N = 5;
    for (const split of ["up", "down"] as const) {
      const side = await filled(split, N, { merge: "joint-legacy" });
      const merged = await compile(() => ({ ...side.merged() }) as Record<string, tf.Tensor>)();
      const [weight, biases] = [await side.weight.read(), await side.experts.bias!.read()];
      expect(
        relativeError(
          await numbers(merged.weight!),
          weight.map((w) => w / N),
        ),
      ).toBeLessThan(1e-6);
      expect(
        relativeError(
          await numbers(merged.bias!),
          biases.slice(-6).map((b) => b / N),
        ),
      ).toBeLessThan(1e-6);
    }
  });

  it("are, by owner, 1/N of an up side's entries and the whole of a down side's, and the mean of biases", async () => {
    const N = 5;
    for (const [split, share] of [
      ["up", 1 / N],
      ["down", 1],
    ] as const) {
      const side = await filled(split, N, { merge: "owner" });
      const merged = await compile(() => ({ ...side.merged() }) as Record<string, tf.Tensor>)();
      const [weight, biases] = [await side.weight.read(), await side.experts.bias!.read()];
      expect(
        relativeError(
          await numbers(merged.weight!),
          weight.map((w) => w * share),
        ),
      ).toBeLessThan(1e-6);
      const mean = Float32Array.from({ length: 6 }, (_, j) => {
        return Array.from({ length: N }, (_, e) => biases[6 * e + j]!).reduce((a, b) => a + b) / N;
      });
      expect(relativeError(await numbers(merged.bias!), mean)).toBeLessThan(1e-6);
    }
  });

  it.each([
    ["split biases", { splitBias: true }],
    ["dense experts", { sparse: false }],
  ] as const)("give the mean of the experts' outputs with %s too (§8.6)", async (_, fields) => {
    const [N, x] = [3, { data: goldenArray(6, 20, 1), shape: [4, 5], dtype: "float32" as const }];
    const options = { numExperts: N, splitMode: "all", seed: 0, split: "both", sparse: true, ...fields } as const;
    const side = projection("up", [5, 6], options) as Experts;
    nameModules(side, "side");
    const trained = side.scopes().map(({ parameter }) => parameter);
    for (const [i, parameter] of trained.entries()) parameter.adopt(goldenArray(i + 1, parameter.size, 1));
    const run = compile((input) => {
      const of = (e: number) =>
        inTraining(() => side.withExperts(tf.tensor1d([e], "int32"), () => side.forward(input!)));
      return { merged: side.forward(input!), mean: tf.div(tf.addN([of(0), of(1), of(2)]), N) };
    });
    const { merged, mean } = await run(x);
    expect(relativeError(await numbers(merged), await numbers(mean))).toBeLessThan(1e-6);
  });

  it("are the mean of the weights that experts have in training, where a down side has decayed unevenly", async () => {
    const N = 3;
    const side = await filled("down", N);
    side.experts.decay!.adopt(Float32Array.of(1, 0.9, 0.5));
    // Rows of the identity show a weight's columns; the bias is the output of a row of zeros.
    const eye = Float32Array.from({ length: 6 * 5 }, (_, i) => (Math.floor(i / 5) === i % 5 ? 1 : 0));
    const run = compile((x) => {
      const of = (e: number) => inTraining(() => side.withExperts(tf.tensor1d([e], "int32"), () => side.forward(x!)));
      return { merged: side.forward(x!), mean: tf.div(tf.addN([of(0), of(1), of(2)]), N) };
    });
    const { merged, mean } = await run({ data: eye, shape: [6, 5], dtype: "float32" });
    expect(relativeError(await numbers(merged), await numbers(mean))).toBeLessThan(1e-6);
  });

  it("compute as a plain adapter, bit for bit, what the MoSA adapter does in evaluation; saved and loaded too (§8.16)", async () => {
    for (const config of [new MosaConfig({ bottleneck: 4 }), new MosaConfig({ bottleneck: 4, split: "both" })]) {
      const model = await moved(config);
      const before = await logitsOf(model);
      const bare = await logitsOf(tinyHost());
      expect(before).not.toEqual(bare);
      const plain = await mergeExperts(model);
      expect(plain).toBeInstanceOf(BottleneckConfig);
      expect(await logitsOf(model), "the MoSA adapter is still the active one").toEqual(before);
      model.deleteAdapter("default");
      model.setAdapter("merged");
      expect(await logitsOf(model)).toEqual(before);
      const folder = await mkdtemp(join(tmpdir(), "mosa-"));
      try {
        await model.savePretrained(folder);
        const loaded = await PeftModel.fromPretrained(tinyHost(), join(folder, "merged"));
        expect([...loaded.peftConfig.values()][0]!.peftType).toBe("BOTTLENECK");
        expect(await logitsOf(loaded)).toEqual(before);
        loaded.dispose();
      } finally {
        await rm(folder, { recursive: true });
      }
      model.dispose();
    }
  });

  it("can be made twice, leave the experts alone, and training goes on as if nothing had been merged (§8.8)", async () => {
    const config = new MosaConfig({ bottleneck: 4, dropout: 0 });
    const [merging, other] = [getPeftModel(tinyHost(), config), getPeftModel(tinyHost(), config)];
    for (const model of [merging, other]) await train(model, { epochs: 2 });
    const before = await readAll(merging.adapterParameters());
    await mergeExperts(merging);
    await mergeExperts(merging, { mergedName: "again" });
    expect(await readAll(merging.adapterParameters())).toEqual(before);
    expect(await readAll(merging.adapterParameters("again"))).toEqual(
      await readAll(merging.adapterParameters("merged")),
    );
    for (const model of [merging, other]) await train(model, { epochs: 2 });
    expect(await readAll(merging.adapterParameters())).toEqual(await readAll(other.adapterParameters()));
    for (const model of [merging, other]) model.dispose();
  });

  it.each(RESIDUAL_STYLES)("of one expert alone are the plain %s adapter, in the same places", async (style) => {
    const model = await moved(new MosaConfig({ bottleneck: 4, numExperts: 1, style }), { host: hostOf(style) });
    const logits = await logitsOf(model);
    const { activation, scale } = new MosaConfig({ style }).adapterOptions();
    const plain = getPeftModel(hostOf(style), new BottleneckConfig({ bottleneck: 4, style, activation, scale }));
    const source = model.adapterParameters();
    for (const [key, parameter] of plain.adapterParameters()) {
      const mosaKey = key.replace(".bottleneck.", ".mosa.");
      const from = source.get(mosaKey) ?? source.get(mosaKey.replace(/bias$/, "experts.bias"))!;
      parameter.adopt(await from.read());
    }
    expect(relativeError(logits, await logitsOf(plain))).toBeLessThan(1e-6);
    for (const made of [model, plain]) made.dispose();
  });
});

describe("merging", () => {
  it("is refused for another method's adapter, under a name that is taken, and into the host; nothing is changed", async () => {
    const lora = getPeftModel(tinyHost(), new LoraConfig());
    await expect(mergeExperts(lora)).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    const model = getPeftModel(tinyHost(), new MosaConfig());
    await expect(mergeExperts(model, { adapterName: "absent" })).rejects.toMatchObject({ code: "ADAPTER_UNKNOWN" });
    await expect(mergeExperts(model, { mergedName: "default" })).rejects.toMatchObject({ code: "ADAPTER_EXISTS" });
    await expect(model.mergeAndUnload()).rejects.toMatchObject({
      code: "MERGE_UNSUPPORTED",
      message: expect.stringContaining("mergeExperts"),
    });
    expect([...model.peftConfig.keys()]).toEqual(["default"]);
  });
});
