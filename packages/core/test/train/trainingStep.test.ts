import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { CompiledEngine } from "../../src/engine/compiled.js";
import { engineState } from "../../src/engine/state.js";
import { type HostArray, normal, Parameter, parseViTConfig, useEngine } from "../../src/index.js";
import { relativeError } from "../../src/testing/index.js";
import {
  adafactor,
  adam,
  adamW,
  adamWLegacy,
  noDecay,
  noDecayNorms,
  type Optimizer,
  sgd,
} from "../../src/train/index.js";
import { type TrainingStepOptions, trainingStep } from "../../src/train/trainingStep.js";
import { floats, GivenGradients, Mlp, numbersOf, points, TrainedViT } from "./models.js";

interface Fixture {
  shapes: Record<string, number[]>;
  start: Record<string, number[]>;
  gradients: Record<string, number[]>[];
  cases: Record<
    string,
    {
      options: {
        lr: number | null;
        weight_decay?: number;
        betas?: [number, number];
        eps?: number | [number, number];
        momentum?: number;
        nesterov?: boolean;
        warmup_init?: boolean;
        beta1?: number;
        scale_parameter?: boolean;
        relative_step?: boolean;
        clip_threshold?: number;
        decay_rate?: number;
      };
      clip: number | { value: number } | null;
      norms: number[];
      end: Record<string, number[]>;
    }
  >;
}

const fixture = JSON.parse(
  readFileSync(new URL("../../../../fixtures/train/optimizers.json", import.meta.url), "utf8"),
) as Fixture;

const parametersOf = (numbers: Record<string, number[]>, shapes: Record<string, number[]>) =>
  new Map(
    Object.entries(numbers).map(([name, data]) => [
      name,
      new Parameter(shapes[name]!, Float32Array.from(data), { name }),
    ]),
  );

const gradientsOf = (numbers: Record<string, number[]>, shapes: Record<string, number[]>): Record<string, HostArray> =>
  Object.fromEntries(Object.entries(numbers).map(([name, data]) => [name, floats(data, shapes[name]!)]));

/** The optimizer of a case, by the first word of its title. */
function optimizerOf(title: string, options: Fixture["cases"][string]["options"]): Optimizer {
  const { betas, eps, momentum, nesterov, beta1 } = options;
  if (title.startsWith("sgd")) return sgd({ momentum, nesterov });
  if (!title.startsWith("adafactor"))
    return (title.startsWith("adamW") ? adamW : adam)({ betas, eps: (eps as number) ?? 1e-8 });
  return adafactor({
    eps: eps as [number, number] | undefined,
    beta1,
    clipThreshold: options.clip_threshold,
    decayRate: options.decay_rate,
    scaleParameter: options.scale_parameter,
    relativeStep: options.relative_step,
    warmupInit: options.warmup_init,
  });
}

/** Parameters after steps under gradients that are given. */
async function train(
  options: TrainingStepOptions,
  learningRate: number,
  { start, shapes, gradients }: Pick<Fixture, "start" | "shapes" | "gradients">,
) {
  const parameters = parametersOf(start, shapes);
  const training = trainingStep(new GivenGradients(parameters), options);
  const results = [];
  for (const [step, given] of gradients.entries()) {
    results.push(await training.run(gradientsOf(given, shapes), { learningRate, seed: 0, step }));
  }
  const end = await numbersOf(parameters);
  training.dispose();
  return { results, end };
}

describe.each(["compiled", "eager"] as const)("on the %s engine", (engine) => {
  beforeEach(async () => {
    // One thread: two engines' threads would fight over two processors.
    if (engine === "compiled") await useEngine("compiled", { threads: 1 });
    else await useEngine("eager");
  });

  it.each(Object.entries(fixture.cases))(
    "ten steps of %s are torch's or transformers'",
    async (title, { options, clip, norms, end }) => {
      const optimizer = optimizerOf(title, options);
      const clipping = typeof clip === "object" ? { clipValue: clip?.value } : { clipNorm: clip };
      const settings = { optimizer, weightDecay: options.weight_decay, ...clipping };
      const { results, end: ours } = await train(settings, options.lr ?? 1, fixture);
      for (const [i, norm] of norms.entries()) expect(results[i]!.norm / norm).toBeCloseTo(1, 5);
      for (const name of Object.keys(end)) {
        const start = fixture.start[name]!;
        const moved = (to: number[]) => to.map((x, i) => x - start[i]!);
        expect(relativeError(moved(ours[name]!), moved(end[name]!)), `${name}: p_10 - p_0`).toBeLessThan(1e-5);
      }
    },
  );

  it("adafactor's first step, when its second moments are zero, can come to nothing too", async () => {
    const shapes = { w: [2, 2], b: [2] };
    const start = { w: [1, -0, 3, 4], b: [0, -0] };
    const bad = { w: [1, Number.NaN, 0, 0], b: [1, 1] };
    for (const optimizer of [adafactor(), adafactor({ beta1: 0.9 })]) {
      const { end, results } = await train({ optimizer, weightDecay: 0.1 }, 1, { shapes, start, gradients: [bad] });
      expect(results[0]!.finite).toBe(false);
      expect(end).toEqual(start);
    }
  });

  it("adafactor keeps a matrix's second moment as its rows' and columns' means", async () => {
    const parameters = new Map([["w", Parameter.zeros([2, 3, 4], { name: "w" })]]);
    const training = trainingStep(new GivenGradients(parameters), { optimizer: adafactor() });
    const shapes = [...training.state].map(([name, { shape }]) => [name, shape]);
    expect(shapes).toEqual([
      ["exp_avg_sq_row.w", [2, 3]],
      ["exp_avg_sq_col.w", [2, 4]],
    ]);
    training.dispose();
  });

  it("adafactor refuses a method that lets only some entries of a parameter move", async () => {
    const model = new GivenGradients(parametersOf({ w: [1, 2] }, { w: [2] }));
    model.hooks = { updateScope: () => ({ mask: tf.tensor1d([1, 0]) }) };
    const training = trainingStep(model, { optimizer: adafactor() });
    const step = training.run(gradientsOf({ w: [1, 1] }, { w: [2] }), { learningRate: 1, seed: 0, step: 0 });
    await expect(step).rejects.toMatchObject({ code: "ARGUMENT_INVALID", place: "w" });
    training.dispose();
  });

  it("a group can have an optimizer of its own", async () => {
    const shapes = { a: [2], b: [2] };
    const start = { a: [1, 2], b: [3, 4] };
    const gradients = [{ a: [0.5, -1], b: [0.5, -1] }];
    const groups = [{ match: /b/, optimizer: sgd(), lrScale: 2 }];
    const { end } = await train({ optimizer: adam(), groups }, 0.1, { shapes, start, gradients });
    for (const [i, wanted] of [0.9, 2.1].entries()) expect(end.a![i]).toBeCloseTo(wanted, 6);
    for (const [i, wanted] of [2.9, 4.2].entries()) expect(end.b![i]).toBeCloseTo(wanted, 6);
  });

  it("adamWLegacy gives the golden numbers of MoSA's specification", async () => {
    const shapes = { p: [1] };
    const given = { shapes, start: { p: [1] } };
    const options = { optimizer: adamWLegacy(), weightDecay: 0.01 };
    for (const [steps, golden] of [
      [1, 0.98990163],
      [2, 0.97980409],
      [3, 0.96970747],
    ] as const) {
      const gradients = Array.from({ length: steps }, () => ({ p: [0.5] }));
      const { end } = await train(options, 0.01, { ...given, gradients });
      expect(Math.abs(end.p![0]! - golden)).toBeLessThan(1e-7);
    }
  });

  it("groups scale the learning rate and set the decay of the parameters whose names fit", async () => {
    const shapes = { "a.weight": [2], "a.bias": [2], "head.weight": [1] };
    const start = { "a.weight": [1, 2], "a.bias": [3, 4], "head.weight": [5] };
    const gradients = [{ "a.weight": [0, 0], "a.bias": [0, 0], "head.weight": [1] }];
    const groups = [noDecay, { match: (name: string) => name.startsWith("head"), lrScale: 10, weightDecay: 0 }];
    const { end } = await train({ optimizer: sgd(), weightDecay: 0.5, groups }, 0.1, { shapes, start, gradients });
    expect(end["a.weight"]![0]).toBeCloseTo(0.95, 6);
    expect(end["a.bias"]).toEqual([3, 4]);
    expect(end["head.weight"]![0]).toBeCloseTo(4, 6);
  });

  const halts: [string, (inputs: { x: HostArray; labels: HostArray }) => void, number][] = [
    ["a NaN in the batch", ({ x }) => x.data.fill(Number.NaN, 0, 1), 0.1],
    ["an infinite number in the batch", ({ x }) => x.data.fill(Number.POSITIVE_INFINITY, 3, 4), 0.1],
    ["an infinite learning rate", () => {}, Number.POSITIVE_INFINITY],
    ["a learning rate that overflows the step", () => {}, 3e38],
  ];
  const optimizers: [string, Optimizer][] = [
    ["adamW", adamW()],
    ["adamWLegacy", adamWLegacy()],
    ["adam", adam()],
    ["adafactor", adafactor({ relativeStep: false })],
    ["adafactor with a first moment", adafactor({ relativeStep: false, beta1: 0.9 })],
    ["sgd", sgd()],
    ["sgd with nesterov momentum", sgd({ momentum: 0.9, nesterov: true })],
  ];
  it.each(halts.flatMap(([what, spoil, rate]) => optimizers.map(([name, o]) => [what, name, spoil, rate, o] as const)))(
    "%s leaves every parameter and moment of %s bit for bit what it was",
    async (_, __, spoil, learningRate, optimizer) => {
      const model = new Mlp({ dropout: 0.2 });
      // The sign of a zero is a bit too.
      const first = await model.first.weight.read();
      first[0] = -0;
      first[1] = 0;
      await model.first.weight.write(first);
      const training = trainingStep(model, { optimizer, weightDecay: 0.1, clipNorm: 1 });
      await training.run(points(6), { learningRate: 0.01, seed: 0, step: 0 });
      const second = await model.first.weight.read();
      second[2] = -0;
      await model.first.weight.write(second);
      for (const slot of training.state.values()) {
        const data = await slot.read();
        if (slot.name.includes("sq")) continue; // a mean of squares is never -0
        data[0] = -0;
        await slot.write(data);
      }
      const everything = () => numbersOf(new Map([...model.parameters(), ...training.state]));
      const before = await everything();
      const inputs = points(6);
      spoil(inputs);
      const result = await training.run(inputs, { learningRate, seed: 0, step: 1 });
      expect(result.finite).toBe(false);
      expect(await everything()).toEqual(before);
      // The step after is as if nothing had been.
      expect((await training.run(points(6), { learningRate: 0.01, seed: 0, step: 1 })).finite).toBe(true);
      for (const numbers of Object.values(await everything())) expect(numbers.every(Number.isFinite)).toBe(true);
      training.dispose();
      model.dispose();
    },
  );

  it("a mask keeps weights, moments and decay from the entries that it leaves out", async () => {
    const shapes = { w: [4] };
    const parameters = parametersOf({ w: [1, -0, 3, 4] }, shapes);
    const model = new GivenGradients(parameters);
    model.hooks = { updateScope: () => ({ mask: tf.tensor1d([1, 0, 0, 1]) }) };
    const training = trainingStep(model, { optimizer: adamW(), weightDecay: 0.1 });
    const { norm } = await training.run(gradientsOf({ w: [3, 100, 100, 4] }, shapes), {
      learningRate: 0.1,
      seed: 0,
      step: 0,
    });
    expect(norm).toBeCloseTo(5, 5);
    const [w0, w1, w2, w3] = await parameters.get("w")!.read();
    expect([w1, w2]).toEqual([-0, 3]);
    expect(w0).toBeCloseTo(1 * 0.99 - 0.1, 5);
    expect(w3).toBeCloseTo(4 * 0.99 - 0.1, 5);
    for (const slot of training.state.values()) {
      expect([...(await slot.read())].map((x) => x !== 0)).toEqual([true, false, false, true]);
    }
    training.dispose();
  });

  it("counts of updates correct each entry's bias as if it had been updated alone", async () => {
    const shapes = { w: [3] };
    const counts = Parameter.zeros([3], { name: "counts", dtype: "int32" });
    const schedule = [
      [1, 0, 0],
      [1, 1, 0],
      [0, 1, 0],
      [1, 0, 0],
    ];
    const start = [0.5, -1, 2];
    const gradient = [0.3, -0.02, 1];
    for (const optimizer of [adamW(), adamWLegacy()]) {
      const parameters = parametersOf({ w: start }, shapes);
      const model = new GivenGradients(parameters);
      const masks = new Parameter([3], new Float32Array(3), { name: "mask" });
      await counts.write(new Int32Array(3));
      model.hooks = {
        state: new Map([["counts", counts]]),
        updateScope: () => {
          counts.assign(tf.add(counts.value(), tf.cast(masks.value(), "int32")));
          return { mask: masks.value(), steps: counts.value() };
        },
      };
      const training = trainingStep(model, { optimizer, weightDecay: 0.01 });
      for (const [step, mask] of schedule.entries()) {
        await masks.write(Float32Array.from(mask));
        await training.run(gradientsOf({ w: gradient }, shapes), { learningRate: 0.01, seed: 0, step });
      }
      const together = [...(await parameters.get("w")!.read())];
      for (const entry of [0, 1]) {
        const updates = schedule.filter((mask) => mask[entry] === 1).length;
        const alone = await train({ optimizer, weightDecay: 0.01 }, 0.01, {
          shapes: { w: [1] },
          start: { w: [start[entry]!] },
          gradients: Array.from({ length: updates }, () => ({ w: [gradient[entry]!] })),
        });
        expect(together[entry]).toBeCloseTo(alone.end.w![0]!, 6);
      }
      expect(together[2]).toBe(2);
      // A step that comes to nothing is not counted.
      const before = [...(await counts.read())];
      const bad = gradientsOf({ w: [Number.NaN, 0, 0] }, shapes);
      const { finite } = await training.run(bad, { learningRate: 0.01, seed: 0, step: 4 });
      expect(finite).toBe(false);
      expect([...(await counts.read())]).toEqual(before);
      training.dispose();
      masks.dispose();
    }
  });

  it("a method's loss takes the place of the task's, and may run the model more than once", async () => {
    const model = new Mlp({ dropout: 0.5 });
    model.hooks = {
      loss: ({ batch, forward, criterion }) => {
        const [a, b] = [forward(batch), forward(batch)];
        return tf.add(criterion(a, batch), tf.mean(tf.squaredDifference(a.logits, b.logits)));
      },
    };
    const training = trainingStep(model, { optimizer: sgd() });
    const twice = await training.run(points(6), { learningRate: 0, seed: 0, step: 0 });
    const plain = new Mlp({ dropout: 0.5 });
    const task = trainingStep(plain, { optimizer: sgd() });
    const once = await task.run(points(6), { learningRate: 0, seed: 0, step: 0 });
    expect(twice.loss).toBeGreaterThan(once.loss + 1e-3);
    training.dispose();
    task.dispose();
  });
});

it("the engines agree on ten steps with dropout, clipping and decay", async () => {
  const run = async () => {
    const model = new Mlp({ dropout: 0.3 });
    const training = trainingStep(model, { optimizer: adamW(), weightDecay: 0.01, groups: [noDecay], clipNorm: 0.5 });
    const losses = [];
    for (let step = 0; step < 10; step++) {
      losses.push((await training.run(points(12), { learningRate: 0.01, seed: 7, step })).loss);
    }
    return { losses, numbers: await numbersOf(model.parameters()) };
  };
  await useEngine("eager");
  const eager = await run();
  await useEngine("compiled", { threads: 1 });
  const compiled = await run();
  expect(relativeError(compiled.losses, eager.losses)).toBeLessThan(1e-5);
  for (const [name, numbers] of Object.entries(eager.numbers)) {
    expect(relativeError(compiled.numbers[name]!, numbers), name).toBeLessThan(1e-4);
  }
});

it("the engines agree on steps of a whole vision transformer, and its loss falls", async () => {
  const config = parseViTConfig(
    {
      hidden_size: 16,
      num_hidden_layers: 2,
      num_attention_heads: 2,
      intermediate_size: 32,
      hidden_dropout_prob: 0.1,
      image_size: 8,
      patch_size: 4,
      // Large weights, so that no gradient is close to nothing, where Adam makes steps of either sign from the noise.
      initializer_range: 0.2,
    },
    "test",
  );
  const pixels = normal(1, 3)([6, 3, 8, 8], "pixels");
  const batch: Record<string, HostArray> = {
    pixelValues: floats(pixels, [6, 3, 8, 8]),
    labels: { data: Int32Array.of(0, 1, 0, 1, 1, 0), shape: [6], dtype: "int32" },
  };
  const run = async () => {
    const training = trainingStep(new TrainedViT(config), { optimizer: sgd({ momentum: 0.9 }), clipNorm: 1 });
    const results = [];
    for (let step = 0; step < 6; step++) results.push(await training.run(batch, { learningRate: 0.05, seed: 1, step }));
    return { results, numbers: await numbersOf(training.parameters) };
  };
  await useEngine("eager");
  const eager = await run();
  await useEngine("compiled", { threads: 1 });
  const compiled = await run();
  for (const key of ["loss", "norm"] as const) {
    const values = ({ results }: typeof eager) => results.map((result) => result[key]);
    expect(relativeError(values(compiled), values(eager)), key).toBeLessThan(1e-5);
  }
  for (const [name, numbers] of Object.entries(eager.numbers)) {
    if (name.endsWith("key.bias")) continue; // no gradient in exact arithmetic
    expect(relativeError(compiled.numbers[name]!, numbers), name).toBeLessThan(1e-4);
  }
  expect(compiled.results[5]!.loss).toBeLessThan(compiled.results[0]!.loss);
});

it.each([
  ["adamW", adamW()],
  ["adamWLegacy", adamWLegacy()],
  ["adam", adam()],
  ["adafactor", adafactor({ beta1: 0.9 })],
  ["sgd with momentum", sgd({ momentum: 0.9 })],
] as const)("%s writes parameters and moments over the old ones on the compiled engine", async (_, optimizer) => {
  await useEngine("compiled", { threads: 1 });
  const model = new Mlp({ dropout: 0.1 });
  const training = trainingStep(model, { optimizer, weightDecay: 0.1, clipNorm: 1, ema: {} });
  await training.run(points(6), { learningRate: 0.1, seed: 0, step: 0 });
  const { device } = engineState().engine as CompiledEngine;
  const run = vi.spyOn(device, "run");
  await training.run(points(6), { learningRate: 0.1, seed: 0, step: 1 });
  const fetches = Object.values(run.mock.calls[0]![3]).map(({ to }) => to);
  run.mockRestore();
  const assigned = model.parameters().size + training.state.size + training.averages.size;
  expect(fetches.filter((to) => to === "over")).toHaveLength(assigned);
  expect(fetches.filter((to) => to === "replace")).toEqual([]);
  training.dispose();
});

it("a model without trainable parameters is refused", () => {
  expect(() => trainingStep(new GivenGradients(new Map()), { optimizer: sgd() })).toThrow(
    expect.objectContaining({ code: "ARGUMENT_INVALID" }),
  );
});

it("optimizer options out of their range are refused", () => {
  const invalid = expect.objectContaining({ code: "ARGUMENT_INVALID" });
  expect(() => adamW({ betas: [1, 0.9] })).toThrow(invalid);
  expect(() => adamW({ eps: 0 })).toThrow(invalid);
  expect(() => adafactor({ clipThreshold: 0 })).toThrow(invalid);
  expect(() => adafactor({ decayRate: 0.8 })).toThrow(invalid);
  expect(() => adafactor({ beta1: 1 })).toThrow(invalid);
  expect(() => adafactor({ relativeStep: false, warmupInit: true })).toThrow(invalid);
  expect(() => sgd({ momentum: 1 })).toThrow(invalid);
  expect(() => sgd({ nesterov: true })).toThrow(invalid);
});

it("noDecayNorms spares the names that transformers' trainer spares", () => {
  const { match } = noDecayNorms;
  const spared = (name: string) => name.search(match as RegExp) >= 0;
  const names = [
    "h.0.attn.bias",
    "layernorm_before.weight",
    "encoder.LayerNorm.weight",
    "norm.weight",
    "q_norm.weight",
  ];
  expect(names.filter((name) => !spared(name))).toEqual([]);
  expect(["classifier.weight", "normalizer.weight", "embeddings.cls_token"].filter(spared)).toEqual([]);
});
