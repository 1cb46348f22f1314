// What a trainer does over a run: steps over several batches, averages, evaluations, early ends, checkpoints that are kept.

import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { beforeEach, describe, expect, it } from "vitest";
import { type BatchSource, PeftError, useEngine } from "../../src/index.js";
import { relativeError } from "../../src/testing/index.js";
import {
  adafactor,
  arrayBatches,
  evaluate,
  type Metric,
  macroF1,
  readRunLog,
  sgd,
  Trainer,
  type TrainerOptions,
  type TrainingEvent,
  topKAccuracy,
} from "../../src/train/index.js";
import { Mlp, numbersOf, points } from "./models.js";
import { all, codeOf, temporaryFolder, untilError } from "./support.js";

const folder = temporaryFolder();

const train = (batchSize = 6) => arrayBatches(points(20), { batchSize, shuffle: true, seed: 3 });
const validation = () => arrayBatches(points(11, 2), { batchSize: 4 });

function options(more: Partial<TrainerOptions> = {}): TrainerOptions {
  return { train: train(), epochs: 3, learningRate: 0.02, weightDecay: 0.01, clipNorm: 1, seed: 5, ...more };
}

type Evaluation = Extract<TrainingEvent, { type: "evaluation" }>;
const evaluations = (events: TrainingEvent[]) =>
  events.filter((event): event is Evaluation => event.type === "evaluation");
const done = (events: TrainingEvent[]) => events.at(-1) as Extract<TrainingEvent, { type: "done" }>;
const steps = (events: TrainingEvent[]) => events.flatMap((event) => (event.type === "step" ? [event.step] : []));

/** A metric that goes through these values, one an evaluation. */
function scripted(name: string, values: readonly number[]): Metric {
  let next = 0;
  const { sums } = topKAccuracy(1);
  return { name, sums, value: () => values[next++]! };
}

describe.each(["compiled", "eager"] as const)("on the %s engine", (engine) => {
  beforeEach(async () => {
    if (engine === "compiled") await useEngine("compiled", { threads: 1 });
    else await useEngine("eager");
  });

  it("a run with three batches a step is the run with one batch of their size, the remainder of an epoch included", async () => {
    // 20 examples: batches of 2 in threes and one last of two; batches of 6, 6, 6 and 2.
    const [parts, large] = [new Mlp(), new Mlp()];
    const found = await all(new Trainer(parts, options({ train: train(2), accumulate: 3 })));
    const wanted = await all(new Trainer(large, options()));
    expect(steps(found)).toEqual(steps(wanted));
    expect(steps(found)).toHaveLength(12);
    const losses = (events: TrainingEvent[]) => events.flatMap((event) => (event.type === "step" ? [event.loss] : []));
    expect(relativeError(losses(found), losses(wanted))).toBeLessThan(1e-6);
    const [ours, theirs] = [await numbersOf(parts.parameters()), await numbersOf(large.parameters())];
    for (const [name, numbers] of Object.entries(theirs)) {
      expect(relativeError(ours[name]!, numbers), name).toBeLessThan(1e-5);
    }
  });

  it("a batch counts by the weight that it is given, in steps and evaluations", async () => {
    const heavy = (first: number) => (batch: { inputs: Record<string, { data: ArrayLike<number> }> }) =>
      batch.inputs.labels!.data[0] === first ? 1000 : 0.001;
    const halves = arrayBatches(points(6), { batchSize: 3 });
    const loss = async (batchWeight?: TrainerOptions["batchWeight"]) => {
      const settings = { train: halves, epochs: 1, accumulate: 2, batchWeight, learningRate: 0 };
      const events = await all(new Trainer(new Mlp(), options(settings)));
      return events.find((event) => event.type === "step")!.loss;
    };
    const even = await loss();
    const weighted = await loss(({ inputs }) => (inputs.x!.data[0] === points(6).x.data[0] ? 1000 : 1e-3));
    expect(Math.abs(even - weighted)).toBeGreaterThan(1e-3);
    const first = await evaluate(new Mlp(), arrayBatches(points(3), { batchSize: 3 }));
    expect(weighted).toBeCloseTo(first.loss, 4);
    const all3 = await evaluate(new Mlp(), halves, { batchWeight: heavy(points(6).labels.data[3]! + 9) });
    expect(all3.loss).toBeCloseTo(even, 5);
  });

  it("evaluations are of the averages, and the model ends with them", async () => {
    const model = new Mlp();
    const raw = new Mlp();
    const settings = { validation: validation(), ema: { decay: 0.9 } };
    const events = await all(new Trainer(model, options(settings)));
    await all(new Trainer(raw, options({ validation: validation() })));
    expect(await numbersOf(model.parameters())).not.toEqual(await numbersOf(raw.parameters()));
    const last = evaluations(events).at(-1)!;
    expect(await evaluate(model, validation())).toEqual(last.metrics);
    // Training itself is not changed by them: 1 step, after which the average is the parameters.
    const [one, other] = [new Mlp(), new Mlp()];
    await all(new Trainer(one, options({ epochs: undefined, steps: 1, ...settings })));
    await all(new Trainer(other, options({ epochs: undefined, steps: 1 })));
    expect(await numbersOf(one.parameters())).toEqual(await numbersOf(other.parameters()));
  });

  it("the best averages are loaded at the end if asked for, from a file or from memory", async () => {
    const best = () => scripted("score", [1, 3, 2]);
    const second = new Mlp();
    await all(new Trainer(second, options({ ema: { decay: 0.9 }, epochs: 2 })));
    for (const outputDir of [undefined, folder.path]) {
      const model = new Mlp();
      const settings = { validation: validation(), metrics: [best()], bestMetric: "score", loadBest: true, outputDir };
      const events = await all(new Trainer(model, options({ ...settings, ema: { decay: 0.9 } })));
      expect(done(events).best).toEqual({ metric: "score", value: 3, step: 8 });
      expect(await numbersOf(model.parameters())).toEqual(await numbersOf(second.parameters()));
    }
  });

  it.each([1, 2, 3, 5, 7])(
    "with everything at once, a run stopped after step %i and resumed ends with the same bits",
    async (stop) => {
      const everything = (): TrainerOptions =>
        options({
          ...{ train: train(3), accumulate: 2, epochs: 3, optimizer: adafactor({ beta1: 0.9 }), learningRate: 1 },
          ...{ ema: { decay: 0.95, warmup: {} }, evaluateEvery: 2, loadBest: true, bestMetric: "hard/loss" },
          ...{ validation: { easy: train(), hard: validation() }, metrics: [macroF1(3)] },
          ...{
            earlyStopping: { patience: 3, minDelta: 0.01 },
            groups: [{ match: /bias/, optimizer: sgd(), lrScale: 0.01 }],
          },
          ...{ schedule: "polynomial", warmupRatio: 0.2, saveEvery: 3, keep: 2 },
        });
      const once = new Mlp({ dropout: 0.3 });
      const whole = await all(new Trainer(once, { ...everything(), outputDir: join(folder.path, "whole") }));
      const controller = new AbortController();
      const outputDir = join(folder.path, "parts");
      const first = await untilError(
        new Trainer(new Mlp({ dropout: 0.3 }), { ...everything(), outputDir }),
        (event) => event.type === "step" && event.step === stop && controller.abort(),
        controller.signal,
      );
      expect(first.error).toMatchObject({ name: "AbortError" });
      const resumed = new Mlp({ dropout: 0.3, seed: 99 });
      const rest = await all(new Trainer(resumed, { ...everything(), outputDir, resume: true }));
      expect(rest[0]).toMatchObject({ type: "start", step: stop });
      expect(await numbersOf(resumed.parameters())).toEqual(await numbersOf(once.parameters()));
      const metrics = (events: TrainingEvent[]) =>
        evaluations(events).map(({ split, step, best, metrics }) => ({ split, step, best, metrics }));
      expect([...metrics(first.events), ...metrics(rest)]).toEqual(metrics(whole));
      expect(done(rest)).toEqual(done(whole));
      for (const name of ["checkpoint-last", "checkpoint-best"]) {
        const bytes = (run: string) => readFile(join(folder.path, run, name, "training.safetensors"));
        expect((await bytes("parts")).equals(await bytes("whole")), name).toBe(true);
      }
      const { events, damaged } = await readRunLog(outputDir);
      expect(damaged).toEqual([]);
      expect(steps([...events])).toEqual(steps(whole));
    },
  );
});

describe("a run", () => {
  beforeEach(async () => {
    await useEngine("compiled", { threads: 1 });
  });

  it("evaluates several sets by name, and the best is chosen on the metric of one of them", async () => {
    const settings = {
      validation: { near: train(), far: validation() },
      metrics: [scripted("score", [1, 9, 2, 1, 3, 5])],
    };
    const events = await all(new Trainer(new Mlp(), options({ ...settings, bestMetric: "far/score" })));
    expect(evaluations(events).map(({ split, best, metrics }) => [split, best, metrics.score])).toEqual([
      ["near", false, 1],
      ["far", true, 9],
      ["near", false, 2],
      ["far", false, 1],
      ["near", false, 3],
      ["far", false, 5],
    ]);
    expect(done(events).best).toEqual({ metric: "far/score", value: 9, step: 4 });
  });

  it("lower is better for a loss, higher for anything else, and the mode can be named", async () => {
    const best = async (bestMetric: string, bestMode?: "min" | "max") => {
      const metrics = [scripted("score", [2, 1, 3]), scripted("own loss", [2, 1, 3])];
      const events = await all(
        new Trainer(new Mlp(), options({ validation: validation(), metrics, bestMetric, bestMode })),
      );
      return done(events).best!.value;
    };
    expect(await best("score")).toBe(3);
    expect(await best("own loss")).toBe(1);
    expect(await best("score", "min")).toBe(1);
  });

  it("a metric that is not there is an error that says which there are", async () => {
    const trainer = new Trainer(new Mlp(), options({ validation: validation(), bestMetric: "f1" }));
    const { error } = await untilError(trainer);
    expect(error).toMatchObject({ code: "ARGUMENT_INVALID" });
    expect((error as Error).message).toContain("validation/loss");
  });

  it("ends early when evaluations have not got better for long enough, and stays ended when resumed", async () => {
    // After 0.5 only 0.55 and 0.6: neither is better by more than 0.1. The fifth evaluation never comes.
    const settings = () => ({
      ...{ validation: validation(), epochs: 9, outputDir: folder.path, bestMetric: "score" },
      ...{ metrics: [scripted("score", [0.3, 0.5, 0.55, 0.6, 0.9])], earlyStopping: { patience: 2, minDelta: 0.1 } },
    });
    const events = await all(new Trainer(new Mlp(), options(settings())));
    expect(done(events)).toMatchObject({ step: 16, stoppedEarly: true, best: { value: 0.6 } });
    expect(evaluations(events)).toHaveLength(4);
    const again = await all(new Trainer(new Mlp(), options({ ...settings(), resume: true })));
    expect(again.map(({ type }) => type)).toEqual(["start", "done"]);
    expect(done(again)).toEqual(done(events));
  });

  it("waits on a metric of its own if asked to", async () => {
    const metrics = [scripted("a", [1, 2, 3, 4, 5]), scripted("b", [5, 4, 3, 2, 1])];
    const settings = { validation: validation(), epochs: 5, metrics, bestMetric: "a" };
    const run = (mode: "min" | "max") =>
      all(new Trainer(new Mlp(), options({ ...settings, earlyStopping: { patience: 1, metric: "b", mode } })));
    expect(done(await run("max"))).toMatchObject({ stoppedEarly: true, step: 8 });
  });

  it("keeps as many checkpoints as asked for, the older ones under their steps, each good to go on from", async () => {
    const settings = { outputDir: folder.path, saveEvery: 2, keep: 3 };
    const model = new Mlp({ dropout: 0.2 });
    await all(new Trainer(model, options(settings)));
    const names = (await readdir(folder.path)).sort();
    expect(names).toEqual(["checkpoint-10", "checkpoint-8", "checkpoint-last", "log.jsonl"]);
    const resumed = new Mlp({ dropout: 0.2, seed: 9 });
    await all(new Trainer(resumed, options({ resume: join(folder.path, "checkpoint-8") })));
    expect(await numbersOf(resumed.parameters())).toEqual(await numbersOf(model.parameters()));
  });

  it("touches no folder of another trainer, and a new best leaves the checkpoints that are kept", async () => {
    const foreign = join(folder.path, "checkpoint-2");
    await mkdir(foreign);
    await writeFile(join(foreign, "trainer_state.json"), '{"best_metric": null, "global_step": 2}');
    const metrics = [scripted("better", [1, 2, 3, 4, 5, 6])];
    const best = {
      validation: validation(),
      evaluateEvery: 2,
      metrics,
      bestMetric: "better",
      bestMode: "max",
    } as const;
    await all(new Trainer(new Mlp(), options({ outputDir: folder.path, saveEvery: 2, keep: 3, ...best })));
    const names = (await readdir(folder.path)).filter((name) => name.startsWith("checkpoint")).sort();
    expect(names).toEqual(["checkpoint-10", "checkpoint-2", "checkpoint-8", "checkpoint-best", "checkpoint-last"]);
    expect(await readdir(foreign)).toEqual(["trainer_state.json"]);
  });

  it("resume: true begins anew where there is no checkpoint", async () => {
    const events = await all(new Trainer(new Mlp(), options({ outputDir: join(folder.path, "new"), resume: true })));
    expect(events[0]).toMatchObject({ type: "start", step: 0 });
  });

  it("tells callbacks each event before the consumer, and the end in any case", async () => {
    const told: string[] = [];
    const callback = {
      onEvent: async ({ type }: TrainingEvent) => void told.push(`callback ${type}`),
      onEnd: () => void told.push("end"),
    };
    const trainer = new Trainer(new Mlp(), options({ epochs: undefined, steps: 1, callbacks: [callback] }));
    for await (const { type } of trainer.run()) told.push(type);
    expect(told).toEqual(["callback start", "start", "callback step", "step", "callback done", "done", "end"]);
    told.length = 0;
    const angry = { onEvent: () => Promise.reject(new RangeError("enough")) };
    const { error } = await untilError(
      new Trainer(new Mlp(), options({ outputDir: folder.path, callbacks: [angry, callback] })),
    );
    expect(error).toBeInstanceOf(RangeError);
    expect(told).toEqual(["end"]);
    expect(existsSync(join(folder.path, "run.lock"))).toBe(false);
  });

  it("warms up over a share of the run", async () => {
    const events = await all(new Trainer(new Mlp(), options({ schedule: "linear", warmupRatio: 0.21 })));
    const rates = events.flatMap((event) => (event.type === "step" ? [event.learningRate] : []));
    expect(rates.indexOf(0.02)).toBe(3);
  });
});

it("the metrics that come with the library are those of their definitions", async () => {
  await useEngine("eager");
  const model = new Mlp();
  const { logits } = await model({ x: points(11, 2).x });
  const rows = (await logits.array()) as number[][];
  const labels = [...points(11, 2).labels.data];
  const rank = (row: number[], label: number) => row.filter((logit) => logit > row[label]!).length;
  const top = (k: number) => rows.filter((row, i) => rank(row, labels[i]!) < k).length / rows.length;
  const predicted = rows.map((row) => row.indexOf(Math.max(...row)));
  const count = (test: (i: number) => boolean) => labels.filter((_, i) => test(i)).length;
  const f1 = [0, 1, 2].flatMap((c) => {
    const [right, wanted, found] = [
      count((i) => labels[i] === c && predicted[i] === c),
      count((i) => labels[i] === c),
      count((i) => predicted[i] === c),
    ];
    return wanted + found > 0 ? [(2 * right) / (wanted + found)] : [];
  });
  const metrics = await evaluate(model, validation(), { metrics: [topKAccuracy(1), topKAccuracy(2), macroF1(3)] });
  expect(metrics.top1Accuracy).toBe(metrics.accuracy);
  expect(metrics.top2Accuracy).toBeCloseTo(top(2), 10);
  expect(metrics.macroF1).toBeCloseTo(f1.reduce((sum, x) => sum + x) / f1.length, 10);
  // A class that is nowhere is not part of the mean.
  expect((await evaluate(model, validation(), { metrics: [macroF1(9)] })).macroF1).toBe(metrics.macroF1);
  expect(() => topKAccuracy(0)).toThrow(PeftError);
  expect(() => macroF1(1)).toThrow(PeftError);
});

it("metrics of classes refuse labels that are shares of the classes", async () => {
  const mixed = {
    ...points(6),
    labels: { data: new Float32Array(18).fill(1 / 3), shape: [6, 3], dtype: "float32" } as const,
  };
  const model = new Mlp();
  model.loss = ({ logits }) => tf.mean(logits);
  for (const metric of [topKAccuracy(1), macroF1(3)]) {
    const error = await evaluate(model, arrayBatches(mixed, { batchSize: 3 }), { metrics: [metric] }).catch((e) => e);
    expect(error).toMatchObject({ code: "SHAPE_MISMATCH", place: "labels" });
  }
});

describe("a folder with another run", () => {
  beforeEach(async () => {
    await useEngine("compiled", { threads: 1 });
    await all(new Trainer(new Mlp(), options({ outputDir: folder.path, epochs: 1 })));
  });

  it("is not written over", async () => {
    const before = await readFile(join(folder.path, "checkpoint-last", "training.safetensors"));
    const elsewhere = join(folder.path, "elsewhere");
    await all(new Trainer(new Mlp(), options({ outputDir: elsewhere, epochs: 1 })));
    for (const resume of [undefined, elsewhere]) {
      expect(await codeOf(new Trainer(new Mlp(), options({ outputDir: folder.path, resume })))).toBe("RUN_EXISTS");
    }
    expect((await readFile(join(folder.path, "checkpoint-last", "training.safetensors"))).equals(before)).toBe(true);
  });

  it("can be gone on with by its own name or its checkpoint's", async () => {
    for (const resume of [true, folder.path, join(folder.path, "checkpoint-last")] as const) {
      const events = await all(new Trainer(new Mlp(), options({ outputDir: folder.path, resume, epochs: 1 })));
      expect(events[0]).toMatchObject({ step: 4 });
    }
  });

  it("is not gone on with on other data, other steps or other optimizers", async () => {
    const refuse = async (more: Partial<TrainerOptions>, text: string) => {
      const { error } = await untilError(new Trainer(new Mlp(), options({ resume: folder.path, ...more })));
      expect(error).toMatchObject({ code: "CHECKPOINT_MISMATCH", place: join(folder.path, "checkpoint-last") });
      expect((error as Error).message).toContain(text);
    };
    const changed = points(20);
    changed.x.data.fill(0, 3, 4);
    await refuse(
      { train: arrayBatches(changed, { batchSize: 6, shuffle: true, seed: 3 }) },
      "the training data is not what",
    );
    await refuse({ train: arrayBatches(points(21), { batchSize: 6, shuffle: true, seed: 3 }) }, "data: 20 examples");
    await refuse({ train: train(5) }, "data: 20 examples");
    await refuse({ accumulate: 2 }, "accumulate: 1 in the checkpoint, 2 here");
    await refuse(
      { groups: [{ match: /bias/, optimizer: sgd() }] },
      "optimizer: adamW in the checkpoint, adamW+sgd here",
    );
    await refuse({ ema: {} }, "average.first.weight: not in the checkpoint");
  });

  it("goes on with a source that tells nothing of itself only where the run began with one", async () => {
    const { batches, batchesPerEpoch } = train();
    const silent: BatchSource = { batches, batchesPerEpoch };
    expect(await codeOf(new Trainer(new Mlp(), options({ resume: folder.path, train: silent })))).toBe(
      "CHECKPOINT_MISMATCH",
    );
    const other = join(folder.path, "silent");
    await all(new Trainer(new Mlp(), options({ outputDir: other, train: silent, epochs: 1 })));
    await all(new Trainer(new Mlp(), options({ outputDir: other, train: silent, resume: true })));
  });

  it("a folder without write permission for the lock is an error before the first step", async () => {
    await rm(folder.path, { recursive: true });
    await writeFile(folder.path, "");
    expect(await codeOf(new Trainer(new Mlp(), options({ outputDir: folder.path })))).toBe("FILE_UNWRITABLE");
  });
});
