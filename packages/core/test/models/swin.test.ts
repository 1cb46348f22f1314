import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inTraining } from "../../src/engine/index.js";
import {
  compile,
  type HostTensor,
  parseSwinConfig,
  readSafetensors,
  SwinForImageClassification,
  useEngine,
} from "../../src/index.js";
import { DropPath } from "../../src/models/swin/dropPath.js";
import { parseTimmConfig } from "../../src/models/swin/timm.js";
import { partition, relativeIndex, shiftMask, together, windowsOn } from "../../src/models/swin/windows.js";
import { BOUNDS, expectClose, readFixture } from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";
import { changed, newFolder, renamed } from "./changedFolder.js";
import { expectTrainedAlike, type TrainedInfo } from "./trainedFixture.js";

const FOLDER = join(FIXTURES, "swin");
const TINY = join(FOLDER, "tiny");
const load = (name: string) => SwinForImageClassification.fromPretrained(join(FOLDER, name));
const coded = (code: string) => expect.objectContaining({ code });
const numbers = async (
  model: SwinForImageClassification,
  pixelValues = readFixture(FOLDER, "tiny-64").input("pixelValues"),
) => (await (await model({ pixelValues })).logits.data()) as Float32Array;

describe.each(["compiled", "eager"] as const)("the Swin transformer, %s", (engine) => {
  beforeAll(async () => {
    await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
  });
  afterAll(async () => {
    await useEngine("eager");
  });

  it.each([
    ["tiny-64", "tiny"],
    ["tiny-40", "tiny"],
    ["odd-50", "odd"],
  ])("equals Hugging Face's on %s: stages, logits, loss, gradients, five steps", async (name, checkpoint) => {
    await expectTrainedAlike(await load(checkpoint), readFixture<TrainedInfo>(FOLDER, name));
  });

  it("says the same of a picture after one of another size", async () => {
    const model = await load("tiny");
    const first = await numbers(model);
    await numbers(model, readFixture(FOLDER, "tiny-40").input("pixelValues"));
    expect(await numbers(model)).toEqual(first);
  });

  it.each(["tiny-timm", "tiny-timm-old"])("equals timm's on timm's own file: %s", async (name) => {
    const fixture = readFixture(FOLDER, "tiny-timm");
    const model = await load(name);
    const logits = await numbers(model, fixture.input("pixelValues"));
    expectClose(new Map([["logits", logits]]), fixture.group("output"), BOUNDS.outputs);
  });

  it("leaves a branch out for whole samples in training only, and scales the others", async () => {
    const path = new DropPath(0.25);
    path.path = "branch";
    const x = { data: new Float32Array(64 * 6).fill(1), shape: [64, 3, 2], dtype: "float32" as const };
    const evaluated = await compile((one) => path.forward(one!))(x);
    expect([...(await evaluated.data())].every((n) => n === 1)).toBe(true);
    const trained = await compile((one) => inTraining(() => path.forward(one!)))(x);
    const rows = [...(await trained.data())];
    const samples = Array.from({ length: 64 }, (_, i) => new Set(rows.slice(6 * i, 6 * i + 6)));
    expect(samples.every((sample) => sample.size === 1)).toBe(true);
    const kept = samples.filter((sample) => !sample.has(0));
    expect(kept.length).toBeGreaterThan(32);
    expect(kept.length).toBeLessThan(64);
    for (const sample of kept) expect([...sample][0]).toBeCloseTo(4 / 3, 6);
  });

  it("cuts a grid into windows row by row, and puts it together again", async () => {
    const grid = tf.reshape(tf.range(0, 16), [1, 4, 4, 1]);
    const run = compile((x) => {
      const windows = partition(x!, 2);
      return { windows, again: together(windows, 2, [4, 4]) };
    });
    const { windows, again } = await run(grid);
    expect([...(await windows.data())]).toEqual([0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]);
    expect([...(await again.data())]).toEqual([...(await grid.data())]);
  });
});

describe("a window", () => {
  it("has the index of relative places that the specification lists", () => {
    expect(relativeIndex(2)).toEqual([4, 3, 1, 0, 5, 4, 2, 1, 7, 6, 4, 3, 8, 7, 5, 4]);
    const index = relativeIndex(7);
    expect(index.slice(0, 3)).toEqual([84, 83, 82]);
    expect(index.slice(48 * 49, 48 * 49 + 3)).toEqual([168, 167, 166]);
    expect(index.reduce((sum, i) => sum + i, 0)).toBe(201_684);
  });

  it.each([
    [8, 4, 2, [0, 128, 128, 192]],
    [14, 7, 3, [0, 1176, 1176, 1776]],
    [12, 4, 2, [0, 0, 128, 0, 0, 128, 128, 128, 192]],
  ])("of a grid of %i with side %i and shift %i hides what were no neighbours", (grid, side, shift, counts) => {
    const mask = shiftMask([grid, grid], side, shift);
    const size = side ** 4;
    expect(counts.map((_, i) => mask.slice(i * size, (i + 1) * size).filter((x) => x === -100).length)).toEqual(counts);
    expect(mask.filter((x) => x !== 0 && x !== -100)).toHaveLength(0);
  });

  it("is the whole of a grid no larger than it, and then nothing is shifted", () => {
    expect(windowsOn([7, 7], 7, 3)).toEqual({ side: 7, shift: 0 });
    expect(windowsOn([8, 7], 7, 3)).toEqual({ side: 7, shift: 0 });
    expect(windowsOn([14, 14], 7, 3)).toEqual({ side: 7, shift: 3 });
    expect(windowsOn([5, 9], 7, 3)).toEqual({ side: 5, shift: 0 });
  });
});

describe("a Swin transformer's folder", () => {
  beforeAll(async () => {
    await useEngine("compiled", { threads: 2 });
  });

  it("is read alike with transformers 5's names, without the prefix, and with buffers", async () => {
    const model = await load("tiny");
    const wanted = await numbers(model);
    const one: HostTensor = { dtype: "int64", shape: [1], data: new BigInt64Array(1) };
    for (const change of [
      renamed((name) => model.names.to("hf5", name)),
      renamed((name) => name.replace(/^swin\./, "")),
      (tensors: Map<string, HostTensor>) =>
        tensors.set("swin.encoder.layers.0.blocks.0.attention.self.relative_position_index", one),
    ]) {
      expect(await numbers(await SwinForImageClassification.fromPretrained(await changed(TINY, change)))).toEqual(
        wanted,
      );
    }
  });

  it("is written as it was read, and takes a new head only where labels are given", async () => {
    const folder = join(newFolder(), "new");
    await (await load("odd")).savePretrained(folder);
    expect(await readSafetensors(join(folder, "model.safetensors"))).toEqual(
      await readSafetensors(join(FOLDER, "odd", "model.safetensors")),
    );
    const written = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
    const original = JSON.parse(await readFile(join(FOLDER, "odd", "config.json"), "utf8"));
    for (const [key, value] of Object.entries(written)) expect(value, key).toEqual(original[key]);

    const bare = await changed(TINY, (tensors) => {
      for (const name of ["classifier.weight", "classifier.bias"]) tensors.delete(name);
      return tensors;
    });
    await expect(SwinForImageClassification.fromPretrained(bare)).rejects.toThrow(/give labels/);
    const model = await SwinForImageClassification.fromPretrained(bare, { labels: ["a", "b"] });
    expect(await numbers(model)).toHaveLength(2 * 2);
  });

  it("is an error where it is another model's, or the pictures are too small", async () => {
    const config = (fields: object) => changed(TINY, () => undefined, fields);
    const open = async (fields: object) => SwinForImageClassification.fromPretrained(await config(fields));
    await expect(open({ model_type: "swinv2" })).rejects.toThrow(/type "swinv2"/);
    await expect(open({ num_heads: [3, 4] })).rejects.toThrow(coded("CONFIG_INVALID"));
    await expect(open({ depths: [2] })).rejects.toThrow(coded("CONFIG_INVALID"));
    await expect(open({ use_absolute_embeddings: true })).rejects.toThrow(coded("CONFIG_INVALID"));
    const tensors = new Map([["layers.0.blocks.0.attn.logit_scale", { shape: [1], dtype: "float32" as const }]]);
    expect(() => parseTimmConfig({}, { tensors } as never, "")).toThrow(/logit_scale/);
    const model = await load("tiny");
    const pixelValues = { data: new Float32Array(3 * 16 * 16), shape: [1, 3, 16, 16], dtype: "float32" as const };
    await expect(model({ pixelValues })).rejects.toThrow(/smaller than a window/);
    await expect(model({ pixelValues: { ...pixelValues, shape: [1, 1, 16, 48] } })).rejects.toThrow(/\[batch, 3/);
  });
});

describe("at full size there are as many numbers as in the published models:", () => {
  const LABELS = { id2label: Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [i, `${i}`])) };
  const BASE = { embed_dim: 128, depths: [2, 2, 18, 2], num_heads: [4, 8, 16, 32] };

  it.each([
    ["tiny", {}, 27_519_354, 28_288_354],
    ["small", { depths: [2, 2, 18, 2] }, 48_837_258, 49_606_258],
    ["base", BASE, 86_743_224, 87_768_224],
    ["base 384", { ...BASE, window_size: 12, image_size: 384 }, 86_878_584, 87_903_584],
    ["large", { ...BASE, embed_dim: 192, num_heads: [6, 12, 24, 48] }, 194_995_476, 196_532_476],
  ])("%s", (_, fields, backbone, whole) => {
    const model = new SwinForImageClassification(parseSwinConfig({ ...fields, ...LABELS }, ""));
    const sizes = [...model.parameters()].map(([name, { size }]) => [name, size] as const);
    const count = (keep: (name: string) => boolean) =>
      sizes.reduce((sum, [name, size]) => sum + (keep(name) ? size : 0), 0);
    expect(count((name) => name.startsWith("swin."))).toBe(backbone);
    expect(count(() => true)).toBe(whole);
  });
});
