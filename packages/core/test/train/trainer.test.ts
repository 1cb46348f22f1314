import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { beforeEach, describe, expect, it } from "vitest";
import { type BatchSource, Parameter, SequenceLoader, useEngine } from "../../src/index.js";
import {
  adamW,
  arrayBatches,
  evaluate,
  sgd,
  Trainer,
  type TrainerOptions,
  type TrainingEvent,
  topKAccuracy,
} from "../../src/train/index.js";
import { Mlp, numbersOf, points } from "./models.js";
import { all, codeOf, temporaryFolder, untilError } from "./support.js";

const temporary = temporaryFolder();
let folder: string;
beforeEach(() => {
  folder = temporary.path;
});

const train = () => arrayBatches(points(20), { batchSize: 6, shuffle: true, seed: 3 });
const validation = () => arrayBatches(points(11, 2), { batchSize: 4 });

function options(more: Partial<TrainerOptions> = {}): TrainerOptions {
  const settings = { learningRate: 0.02, schedule: "cosine", warmup: 2, weightDecay: 0.01, clipNorm: 1 } as const;
  return { train: train(), epochs: 3, optimizer: adamW(), seed: 5, ...settings, ...more };
}

describe.each(["compiled", "eager"] as const)("on the %s engine", (engine) => {
  beforeEach(async () => {
    if (engine === "compiled") await useEngine("compiled", { threads: 1 });
    else await useEngine("eager");
  });

  it("a run tells its steps, evaluations, checkpoints and epochs in order, and learns", async () => {
    const model = new Mlp({ dropout: 0.1 });
    const before = await evaluate(model, validation());
    const trainer = new Trainer(model, options({ validation: validation(), epochs: 10, outputDir: folder }));
    const events = await all(trainer);
    expect(events.slice(0, 9).map(({ type }) => type)).toEqual(
      "start step step step step evaluation checkpoint epoch checkpoint".split(" "),
    );
    const steps = events.filter((event) => event.type === "step");
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    expect(steps[0]!.learningRate).toBe(0);
    expect(steps[2]!.learningRate).toBe(0.02);
    expect(steps.at(-1)!.secondsLeft).toBe(0);
    expect(steps.every(({ stepsPerSecond }) => stepsPerSecond > 0 && Number.isFinite(stepsPerSecond))).toBe(true);
    const after = await evaluate(model, validation());
    expect(after.examples).toBe(11);
    expect(after.loss).toBeLessThan(before.loss / 2);
    expect(after.accuracy).toBeGreaterThan(0.9);
    const done = events.at(-1);
    expect(done).toMatchObject({ type: "done", step: 40, epoch: 10, best: { metric: "accuracy" } });
    expect((await readdir(folder)).sort()).toEqual(["checkpoint-best", "checkpoint-last", "log.jsonl"]);
    const log = (await readFile(join(folder, "log.jsonl"), "utf8")).trimEnd().split("\n");
    expect(log.map((line) => JSON.parse(line).type)).toEqual(events.map(({ type }) => type));
    model.dispose();
  });

  it("an evaluation counts what fills a last batch no second time", async () => {
    const { x, labels } = points(11, 2);
    const dataset = {
      length: 11,
      get: (i: number) => ({
        x: { data: x.data.slice(4 * i, 4 * i + 4), shape: [4], dtype: "float32" as const },
        labels: { data: labels.data.slice(i, i + 1), shape: [], dtype: "int32" as const },
      }),
      fingerprint: async () => "points",
    };
    const model = new Mlp();
    const [kept, padded] = await Promise.all(
      (["keep", "pad"] as const).map((lastBatch) =>
        evaluate(model, new SequenceLoader(dataset, { batchSize: 4, lastBatch })),
      ),
    );
    expect(padded).toEqual(kept);
    expect(padded!.examples).toBe(11);
    model.dispose();
  });

  it("an evaluation is the mean over all examples, the last smaller batch included", async () => {
    const model = new Mlp();
    const inBatches = await evaluate(model, validation());
    const atOnce = await evaluate(model, arrayBatches(points(11, 2), { batchSize: 11 }));
    expect(inBatches.loss).toBeCloseTo(atOnce.loss, 5);
    expect(inBatches.accuracy).toBe(atOnce.accuracy);
    const { logits } = await model({ x: points(11, 2).x });
    const predicted = await tf.argMax(logits, 1).data();
    const right = [...predicted].filter((label, i) => label === i % 3).length;
    expect(atOnce.accuracy).toBe(right / 11);
    logits.dispose();
    model.dispose();
  });

  // 4 steps an epoch: 6 is in the middle of one, 8 at the end of one, 3 in the first.
  it.each([3, 6, 8])("a run that was stopped after step %i and resumed ends with the same bits", async (stop) => {
    const once = new Mlp({ dropout: 0.3 });
    const whole = await all(new Trainer(once, options({ validation: validation() })));
    const expected = await numbersOf(once.parameters());

    const stopped = new Mlp({ dropout: 0.3 });
    const controller = new AbortController();
    const { events: first, error } = await untilError(
      new Trainer(stopped, options({ validation: validation(), outputDir: folder })),
      (event) => event.type === "step" && event.step === stop && controller.abort(),
      controller.signal,
    );
    expect(error).toMatchObject({ name: "AbortError" });
    expect(first.at(-1)).toMatchObject({ type: "checkpoint", step: stop });

    const resumed = new Mlp({ dropout: 0.3, seed: 99 });
    const rest = await all(new Trainer(resumed, options({ validation: validation(), resume: folder })));
    expect(rest[0]).toMatchObject({ type: "start", step: stop });
    expect(await numbersOf(resumed.parameters())).toEqual(expected);
    const losses = (events: TrainingEvent[]) => events.flatMap((event) => (event.type === "step" ? [event.loss] : []));
    expect([...losses(first), ...losses(rest)]).toEqual(losses(whole));
    const metrics = (events: TrainingEvent[]) =>
      events.flatMap((event) => (event.type === "evaluation" ? [event.metrics] : []));
    expect([...metrics(first), ...metrics(rest)]).toEqual(metrics(whole));
    expect(rest.at(-1)).toEqual(whole.at(-1));
  });

  it("a run stopped in an evaluation evaluates again when resumed, and ends the epoch once", async () => {
    const ended: number[] = [];
    const controller = new AbortController();
    const stopping: BatchSource = {
      batchesPerEpoch: 1,
      async *batches() {
        controller.abort();
        yield* [];
        controller.signal.throwIfAborted();
      },
    };
    const model = new Mlp();
    model.hooks = { onEpochEnd: (epoch) => void ended.push(epoch) };
    const first = await untilError(
      new Trainer(model, options({ validation: stopping, outputDir: folder })),
      () => {},
      controller.signal,
    );
    expect(first.error).toMatchObject({ name: "AbortError" });
    expect(ended).toEqual([]);
    const rest = await all(new Trainer(model, options({ validation: validation(), resume: folder, epochs: 1 })));
    expect(rest.map(({ type }) => type)).toEqual(["start", "evaluation", "epoch", "done"]);
    expect(ended).toEqual([0]);
  });

  it("a run that diverges keeps and saves the parameters of the last finite step", async () => {
    const points20 = points(20);
    points20.x.data[13 * 4] = Number.NaN;
    const spoiled = arrayBatches(points20, { batchSize: 4 });
    const model = new Mlp({ dropout: 0.1 });
    let numbers: Promise<Record<string, number[]>> | undefined;
    const { error, events } = await untilError(
      new Trainer(model, options({ train: spoiled, outputDir: folder, epochs: 1 })),
      (event) => {
        if (event.type === "step") numbers = numbersOf(model.parameters());
      },
    );
    expect(error).toMatchObject({ code: "TRAINING_DIVERGED", place: "step 4" });
    expect((error as Error).message).toContain("learning rate");
    expect(await numbersOf(model.parameters())).toEqual(await numbers);
    expect(events.at(-1)).toMatchObject({ type: "checkpoint", step: 3, best: false });
    expect(JSON.parse(await readFile(join(folder, "checkpoint-last", "trainer_state.json"), "utf8"))).toMatchObject({
      progress: { step: 3, epoch: 0, position: 3 },
    });
  });

  it("a learning rate that makes the loss infinite is an error, not a NaN in the model", async () => {
    const model = new Mlp();
    const trainer = new Trainer(model, { train: train(), epochs: 2, learningRate: 1e30, optimizer: sgd() });
    expect(await codeOf(trainer)).toBe("TRAINING_DIVERGED");
    for (const numbers of Object.values(await numbersOf(model.parameters()))) {
      expect(numbers.every(Number.isFinite)).toBe(true);
    }
  });

  it("training leaves no tensors behind, whether it ends, is aborted, or is left", async () => {
    const model = new Mlp({ dropout: 0.1 });
    await evaluate(model, validation());
    const before = tf.memory().numTensors;
    await all(new Trainer(model, options({ validation: validation(), loadBest: true })));
    await evaluate(model, validation());
    expect(tf.memory().numTensors).toBeLessThanOrEqual(before);
    const controller = new AbortController();
    await untilError(
      new Trainer(model, options({ outputDir: folder })),
      (event) => event.type === "step" && controller.abort(),
      controller.signal,
    );
    expect(tf.memory().numTensors).toBeLessThanOrEqual(before);
    for await (const event of new Trainer(model, options()).run()) if (event.type === "step") break;
    expect(tf.memory().numTensors).toBeLessThanOrEqual(before);
  });

  it("timers run between the steps", async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await all(new Trainer(new Mlp(), options({ epochs: 10 })));
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(3);
  });

  it("the best evaluation's parameters are loaded at the end if asked for, from a file or from memory", async () => {
    // The labels of the validation points are turned, so that learning makes it worse: the first evaluation is the best.
    const turned = points(12);
    turned.labels.data.forEach((label, i) => {
      turned.labels.data[i] = (label + 1) % 3;
    });
    const worse = arrayBatches(turned, { batchSize: 4 });
    const settings = { validation: worse, bestMetric: "loss", loadBest: true, epochs: 6, warmup: 0 } as const;
    for (const outputDir of [undefined, folder]) {
      const model = new Mlp();
      const events = await all(new Trainer(model, options({ ...settings, outputDir })));
      const done = events.at(-1) as Extract<TrainingEvent, { type: "done" }>;
      expect(done.best!.step).toBeLessThan(24);
      const { loss } = await evaluate(model, worse);
      expect(loss).toBeCloseTo(done.best!.value, 6);
    }
  });

  it("evaluations and epochs tell the method, which is done with an evaluation before training goes on", async () => {
    const model = new Mlp();
    const told: string[] = [];
    model.hooks = {
      beforeEvaluation: () => void told.push("before"),
      afterEvaluation: () => void told.push("after"),
      onEpochEnd: (epoch) => void told.push(`epoch ${epoch}`),
    };
    const events = await all(new Trainer(model, options({ validation: validation(), epochs: undefined, steps: 5 })));
    expect(told).toEqual(["before", "after", "epoch 0", "before", "after"]);
    expect(events.filter(({ type }) => type === "evaluation").map(({ step }) => step)).toEqual([4, 5]);
  });

  it("a method's own state is part of the checkpoint", async () => {
    const run = async (more: Partial<TrainerOptions>, stop?: number) => {
      const model = new Mlp();
      const counter = Parameter.zeros([], { name: "steps", dtype: "int32" });
      model.hooks = {
        state: new Map([["steps", counter]]),
        updateScope: (name) => {
          if (name === "first.weight") counter.assign(tf.add(counter.value(), tf.scalar(1, "int32")));
          return undefined;
        },
      };
      for await (const event of new Trainer(model, options(more)).run()) {
        if (event.type === "checkpoint" && event.step === stop) break;
      }
      return (await counter.read())[0];
    };
    expect(await run({ outputDir: folder }, 8)).toBe(8);
    expect(await run({ resume: folder })).toBe(12);
  });
});

describe("on the compiled engine alone", () => {
  beforeEach(async () => {
    await useEngine("compiled", { threads: 1 });
  });

  it("evaluations can be after so many steps, and step events rarer", async () => {
    const settings = options({ validation: validation(), evaluateEvery: 5, logEvery: 4, epochs: 3 });
    const events = await all(new Trainer(new Mlp(), settings));
    const at = (type: string) => events.filter((event) => event.type === type).map(({ step }) => step);
    expect(at("evaluation")).toEqual([5, 10, 12]);
    expect(at("step")).toEqual([4, 8, 12]);
  });

  it("a schedule can go by epochs", async () => {
    const events = await all(new Trainer(new Mlp(), options({ schedule: "linear", warmup: 1, scheduleBy: "epoch" })));
    const rates = events.flatMap((event) => (event.type === "step" ? [event.learningRate] : []));
    expect(rates).toEqual([0, 0, 0, 0, 0.02, 0.02, 0.02, 0.02, 0.01, 0.01, 0.01, 0.01]);
  });

  it("a signal that is aborted already ends the run before anything is done", async () => {
    const { events, error } = await untilError(
      new Trainer(new Mlp(), options({ outputDir: folder })),
      () => {},
      AbortSignal.abort(new Error("mine")),
    );
    expect(events).toEqual([]);
    expect(error).toMatchObject({ name: "AbortError" });
    expect(existsSync(join(folder, "checkpoint-last"))).toBe(false);
  });

  it("an abort while a batch is awaited is an AbortError with a checkpoint too", async () => {
    const controller = new AbortController();
    const { batches } = train();
    const slow: BatchSource = {
      batchesPerEpoch: 4,
      async *batches(epoch, settings) {
        yield* batches(epoch, { ...settings, start: 3 });
        setTimeout(() => controller.abort(new Error("enough")), 10);
        await new Promise((_, reject) => {
          settings!.signal!.addEventListener("abort", () => reject(settings!.signal!.reason));
        });
      },
    };
    const trainer = new Trainer(new Mlp(), options({ train: slow, outputDir: folder }));
    const { events, error } = await untilError(trainer, () => {}, controller.signal);
    expect(error).toMatchObject({ name: "AbortError" });
    expect(events.map(({ type }) => type)).toEqual(["start", "step", "checkpoint"]);
  });

  it("an error of the data comes through as it is", async () => {
    const broken: BatchSource = {
      batchesPerEpoch: 2,
      // biome-ignore lint/correctness/useYield: it fails before the first batch
      async *batches() {
        throw new TypeError("no picture");
      },
    };
    const { error } = await untilError(new Trainer(new Mlp(), options({ train: broken })));
    expect(error).toBeInstanceOf(TypeError);
    const short: BatchSource = { batchesPerEpoch: 9, batches: train().batches };
    expect(await codeOf(new Trainer(new Mlp(), options({ train: short })))).toBe("DATA_INVALID");
  });

  it("an output folder that cannot be made is an error before the first step", async () => {
    await writeFile(join(folder, "file"), "");
    let asked = false;
    const source: BatchSource = {
      batchesPerEpoch: 4,
      batches: (epoch, settings) => {
        asked = true;
        return train().batches(epoch, settings);
      },
    };
    const trainer = new Trainer(new Mlp(), options({ train: source, outputDir: join(folder, "file", "out") }));
    expect(await codeOf(trainer)).toBe("FILE_UNWRITABLE");
    expect(asked).toBe(false);
  });

  it("a resumed run that is over already only says so", async () => {
    await all(new Trainer(new Mlp(), options({ outputDir: folder })));
    const again = await all(new Trainer(new Mlp(), options({ resume: join(folder, "checkpoint-last") })));
    expect(again.map(({ type }) => type)).toEqual(["start", "done"]);
  });

  it.each([
    { epochs: undefined },
    { steps: 3 },
    { epochs: 0 },
    { epochs: 1.5 },
    { learningRate: Number.POSITIVE_INFINITY },
    { learningRate: 1e39 },
    { learningRate: -1 },
    { learningRate: Number.NaN },
    { weightDecay: -0.1 },
    { clipNorm: 0 },
    { warmup: -1 },
    { seed: 0.5 },
    { logEvery: 0 },
    { evaluateEvery: 0 },
    { loadBest: true },
    { earlyStopping: { patience: 2 } },
    { validation: validation(), earlyStopping: { patience: 0 } },
    { accumulate: 0 },
    { keep: 0 },
    { saveEvery: 1.5 },
    { clipValue: 1 },
    { clipNorm: undefined, clipValue: -1 },
    { warmupRatio: 0.1 },
    { warmup: undefined, warmupRatio: 1.5 },
    { resume: true },
    { ema: { decay: 1.1 } },
    { ema: { warmup: { power: 0 } } },
    { validation: { "a/b": validation() } },
    { validation: { train: validation() } },
    { metrics: [topKAccuracy(2), topKAccuracy(2)] },
  ] as Partial<TrainerOptions>[])("the options %o are refused", (wrong) => {
    expect(() => new Trainer(new Mlp(), options(wrong))).toThrow(expect.objectContaining({ code: "ARGUMENT_INVALID" }));
  });
});
