import * as tf from "@tensorflow/tfjs";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { CompiledEngine } from "../../src/engine/compiled.js";
import { engineState } from "../../src/engine/state.js";
import { draw, type HostArray, Parameter, useEngine } from "../../src/index.js";
import { relativeError } from "../../src/testing/index.js";
import { adamW, sgd, type TrainingStepOptions, trainingStep, type WeightedBatch } from "../../src/train/index.js";
import { floats, GivenGradients, Mlp, numbersOf, points } from "./models.js";

const options: TrainingStepOptions = { optimizer: adamW(), weightDecay: 0.01, clipNorm: 0.5 };

/** Batches of these sizes, in their order. */
function split(all: Record<string, HostArray>, sizes: readonly number[]): WeightedBatch[] {
  let start = 0;
  return sizes.map((weight) => {
    const rows = ({ data, shape, dtype }: HostArray): HostArray => {
      const width = data.length / shape[0]!;
      return { data: data.slice(start * width, (start + weight) * width), shape: [weight, ...shape.slice(1)], dtype };
    };
    const inputs = Object.fromEntries(Object.entries(all).map(([name, array]) => [name, rows(array)]));
    start += weight;
    return { inputs, weight };
  });
}

describe.each(["compiled", "eager"] as const)("on the %s engine", (engine) => {
  beforeEach(async () => {
    if (engine === "compiled") await useEngine("compiled", { threads: 1 });
    else await useEngine("eager");
  });

  it.each([[[4, 4, 4]], [[7, 4, 1]], [[12]]])(
    "ten steps over batches of %j are those over the one large batch",
    async (sizes) => {
      const [once, parts] = [new Mlp(), new Mlp()];
      const [large, several] = [trainingStep(once, options), trainingStep(parts, options)];
      const before = await numbersOf(once.parameters());
      for (let step = 0; step < 10; step++) {
        const settings = { learningRate: 0.01, seed: 3, step };
        const wanted = await large.run(points(12, step + 1), settings);
        const found = await several.runOver(split(points(12, step + 1), sizes), sizes.length, settings);
        expect(Math.abs(found.loss / wanted.loss - 1)).toBeLessThan(1e-6);
        expect(Math.abs(found.norm / wanted.norm - 1)).toBeLessThan(1e-6);
      }
      const [wanted, found] = [await numbersOf(once.parameters()), await numbersOf(parts.parameters())];
      for (const [name, numbers] of Object.entries(wanted)) {
        expect(relativeError(found[name]!, numbers), name).toBeLessThan(1e-6);
        expect(numbers).not.toEqual(before[name]);
      }
      for (const training of [large, several]) training.dispose();
    },
  );

  it("a batch that is not finite makes the whole step come to nothing, and the step after is as if it had not been", async () => {
    const model = new Mlp();
    const training = trainingStep(model, options);
    const everything = () => numbersOf(new Map([...model.parameters(), ...training.state]));
    await training.runOver(split(points(6), [3, 3]), 2, { learningRate: 0.01, seed: 0, step: 0 });
    const before = await everything();
    const spoiled = points(6);
    spoiled.x.data[0] = Number.NaN;
    const bad = await training.runOver(split(spoiled, [3, 3]), 2, { learningRate: 0.01, seed: 0, step: 1 });
    expect(bad.finite).toBe(false);
    expect(await everything()).toEqual(before);
    const good = await training.runOver(split(points(6), [3, 3]), 2, { learningRate: 0.01, seed: 0, step: 1 });
    expect(good.finite).toBe(true);
    training.dispose();
  });

  it("each batch of a step has dropout of its own", async () => {
    const training = trainingStep(new Mlp({ dropout: 0.5 }), { optimizer: sgd() });
    const [batch] = split(points(6), [6]) as [WeightedBatch];
    const settings = { learningRate: 0, seed: 0, step: 0 };
    const once = await training.run(batch.inputs, settings);
    const twice = await training.runOver([batch, batch], 2, settings);
    expect(Math.abs(twice.loss - once.loss)).toBeGreaterThan(1e-4);
    training.dispose();
  });

  it("a method that decides which entries move does so once a step, and counts it once", async () => {
    const parameters = new Map([["w", new Parameter([4], new Float32Array(4), { name: "w" })]]);
    const counts = Parameter.zeros([4], { name: "counts" });
    const moving = Parameter.zeros([4], { name: "moving" });
    const model = new GivenGradients(parameters);
    model.hooks = {
      state: new Map([
        ["counts", counts],
        ["moving", moving],
      ]),
      loss: ({ batch, forward, criterion }) => {
        const chosen = draw("chosen", [1], { kind: "integers", below: 4 });
        moving.assign(tf.oneHot(tf.reshape(chosen, []) as tf.Scalar, 4).cast("float32") as tf.Tensor);
        counts.assign(tf.add(counts.value(), moving.value()));
        return criterion(forward(batch), batch);
      },
      updateScope: () => ({ mask: moving.value(), steps: counts.value() }),
    };
    const training = trainingStep(model, { optimizer: adamW() });
    const batch = { inputs: { w: floats([1, 1, 1, 1], [4]) }, weight: 1 };
    for (let step = 0; step < 5; step++) {
      const before = [...(await parameters.get("w")!.read())];
      await training.runOver([batch, batch, batch], 3, { learningRate: 0.1, seed: 1, step });
      const after = [...(await parameters.get("w")!.read())];
      const moved = after.map((x, i) => Number(x !== before[i]));
      expect(moved).toEqual([...(await moving.read())]);
      expect(moved.reduce((sum, x) => sum + x)).toBe(1);
      expect([...(await counts.read())].reduce((sum, x) => sum + x)).toBe(step + 1);
    }
    const counted = [...(await counts.read())];
    const bad = { inputs: { w: floats([Number.NaN, 1, 1, 1], [4]) }, weight: 1 };
    expect((await training.runOver([batch, bad], 2, { learningRate: 0.1, seed: 1, step: 5 })).finite).toBe(false);
    expect([...(await counts.read())]).toEqual(counted);
    training.dispose();
  });

  it.each([0, -1, Number.NaN])("a batch of weight %d is refused", async (weight) => {
    const training = trainingStep(new Mlp(), options);
    const run = training.runOver([{ inputs: points(3), weight }], 1, { learningRate: 0, seed: 0, step: 0 });
    await expect(run).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    training.dispose();
  });
});

it("accumulators stay on the device and are added to in place", async () => {
  await useEngine("compiled", { threads: 1 });
  const training = trainingStep(new Mlp(), options);
  const step = () => training.runOver(split(points(6), [3, 3]), 2, { learningRate: 0.01, seed: 0, step: 0 });
  await step();
  const { device } = engineState().engine as CompiledEngine;
  const [run, upload, download] = [vi.spyOn(device, "run"), vi.spyOn(device, "upload"), vi.spyOn(device, "download")];
  await step();
  const fetches = run.mock.calls.map(([, , , fetched]) => Object.values(fetched).map(({ to }) => to));
  expect(fetches).toHaveLength(3);
  expect(fetches[0]!.filter((to) => to === "over")).toHaveLength(training.parameters.size);
  expect(fetches[2]!.filter((to) => to === "over")).toHaveLength(training.parameters.size + training.state.size);
  for (const to of fetches) {
    expect(to).not.toContain("replace");
    expect(to.filter((one) => one === "host")).toHaveLength(1);
  }
  expect(upload).not.toHaveBeenCalled();
  expect(download).not.toHaveBeenCalled();
  vi.restoreAllMocks();
  training.dispose();
});
