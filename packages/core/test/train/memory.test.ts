// A thousand small steps leave nothing behind: no tensor, nothing on the device, and no memory of the process.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as tf from "@tensorflow/tfjs";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { CompiledEngine } from "../../src/engine/compiled.js";
import { engineState } from "../../src/engine/state.js";
import { useEngine } from "../../src/index.js";
import { arrayBatches, Trainer, type TrainerOptions } from "../../src/train/index.js";
import { Mlp, points } from "./models.js";

/**
 * What the process may grow by between the tenth and the thousandth step, in which the heaps of its two threads reach their
 * size (22 MB were seen, and nothing in the ten thousand steps after); and in the second half of it, where they have.
 */
const GROWTH_MB = 48;
const SETTLED_MB = 16;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function megabytes(): number {
  collectGarbage();
  return process.memoryUsage().rss / 2 ** 20;
}

/** The device's tensors: handed in or copied there, less those freed. */
function countOnDevice(): () => number {
  if (engineState().engine?.info.engine !== "compiled") return () => 0;
  const { device } = engineState().engine as CompiledEngine;
  const [upload, copy, free] = [vi.spyOn(device, "upload"), vi.spyOn(device, "copy"), vi.spyOn(device, "free")];
  return () => upload.mock.calls.length + copy.mock.calls.length - free.mock.calls.length;
}

const SETTINGS: Record<string, Partial<TrainerOptions>> = {
  "one batch a step": {},
  "two batches a step, averages, evaluations": {
    accumulate: 2,
    ema: {},
    validation: arrayBatches(points(6), { batchSize: 6 }),
    evaluateEvery: 100,
  },
};

describe.each(["compiled", "eager"] as const)("on the %s engine", (engine) => {
  beforeEach(async () => {
    if (engine === "compiled") await useEngine("compiled", { threads: 1 });
    else await useEngine("eager");
  });

  it.each(Object.entries(SETTINGS))("1,000 steps with %s", async (_, more) => {
    const model = new Mlp({ dropout: 0.1 });
    const onDevice = countOnDevice();
    const train = arrayBatches(points(24), { batchSize: 6, shuffle: true });
    const atStart = tf.memory().numTensors;
    const seen: Record<number, { tensors: number; device: number; rss: number }> = {};
    const trainer = new Trainer(model, { train, steps: 1000, learningRate: 1e-3, clipNorm: 1, ...more });
    for await (const event of trainer.run()) {
      if (event.type !== "step" || ![10, 500, 1000].includes(event.step)) continue;
      seen[event.step] = { tensors: tf.memory().numTensors, device: onDevice(), rss: megabytes() };
    }
    const [early, late] = [seen[500]!, seen[1000]!];
    expect(late.tensors).toBe(early.tensors);
    expect(late.device).toBe(early.device);
    expect(late.rss - seen[10]!.rss).toBeLessThan(GROWTH_MB);
    expect(late.rss - early.rss).toBeLessThan(SETTLED_MB);
    // The run has taken its own state with it; the model's parameters are still there.
    expect(tf.memory().numTensors - atStart).toBe(engine === "eager" ? model.parameters().size : 0);
    if (engine === "compiled") expect(onDevice()).toBe(model.parameters().size);
    vi.restoreAllMocks();
    model.dispose();
  });
});
