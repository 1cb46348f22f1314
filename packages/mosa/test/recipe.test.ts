import { readFileSync } from "node:fs";
import { cosineSchedule, getPeftModel, noDecay, Trainer } from "@peft/core";
import { describe, expect, it } from "vitest";
import { MosaConfig, mosaRecipe } from "../src/index.js";
import { batches, tinyHost } from "./tiny.js";

const goldens = JSON.parse(readFileSync(new URL("../../../fixtures/mosa/goldens.json", import.meta.url), "utf8"));

describe("the recipe", () => {
  it("has the original's learning rates: by epoch, from 0 over 10 epochs, then a cosine over the 90 others (§8.14)", () => {
    const options = mosaRecipe({ train: batches(7) });
    expect(options).toMatchObject({ epochs: 100, warmup: 10, schedule: "cosine", scheduleBy: "epoch", seed: 3407 });
    const factor = cosineSchedule({ warmup: options.warmup });
    const { factors } = goldens.schedule as { factors: number[] };
    expect(factors).toHaveLength(100);
    for (const [epoch, wanted] of factors.entries()) expect(Math.abs(factor(epoch, 100) - wanted)).toBeLessThan(1e-7);
  });

  it("warms up over a tenth of the run in whatever the schedule counts", () => {
    expect(mosaRecipe({ train: batches(7), epochs: 20 })).toMatchObject({ epochs: 20, warmup: 2 });
    expect(mosaRecipe({ train: batches(7), epochs: 20, scheduleBy: "step" })).toMatchObject({ warmup: 14 });
    const bySteps = mosaRecipe({ train: batches(7), steps: 50, scheduleBy: "step" });
    expect(bySteps).toMatchObject({ steps: 50, warmup: 5 });
    expect(bySteps.epochs).toBeUndefined();
    expect(mosaRecipe({ train: batches(7), warmup: 3 }).warmup).toBe(3);
    expect("warmup" in mosaRecipe({ train: batches(7), schedule: () => 1 })).toBe(false);
  });

  it("counts steps as the trainer does, which takes several batches for one", () => {
    // 20 epochs of 4 steps are 80 steps, and 80 steps are 20 epochs.
    const options = { train: batches(7), accumulate: 2 };
    expect(mosaRecipe({ ...options, epochs: 20, scheduleBy: "step" }).warmup).toBe(8);
    expect(mosaRecipe({ ...options, steps: 80 }).warmup).toBe(2);
  });

  it("has the warm-up of a `warmupRatio` that is given, and then none of its own", () => {
    const options = mosaRecipe({ train: batches(10), epochs: 10, scheduleBy: "step", warmupRatio: 0.2 });
    expect(options.warmupRatio).toBe(0.2);
    expect("warmup" in options).toBe(false);
    const model = getPeftModel(tinyHost(), new MosaConfig({ bottleneck: 4 }));
    expect(() => new Trainer(model, options)).not.toThrow();
  });

  it("has the original's optimizer (§8.14)", () => {
    const { optimizer, weightDecay } = mosaRecipe({ train: batches() });
    expect(optimizer!.name).toBe("adamWLegacy");
    let [p, m, v] = [1, 0, 0];
    const { learningRate, afterSteps } = goldens.optimizer as {
      learningRate: number;
      afterSteps: { decayed: number[] };
    };
    for (const [i, wanted] of afterSteps.decayed.entries()) {
      const c = optimizer!.coefficients({ learningRate, weightDecay: weightDecay!, updates: i + 1 });
      m = c.beta1! * m - c.minusRate1! * 0.5;
      v = c.beta2! * v + c.rate2! * 0.25;
      p -= (c.stepSize! * m) / (Math.sqrt(v) + c.eps!);
      p -= c.decay! * p;
      expect(Math.abs(p - wanted)).toBeLessThan(1e-7);
    }
  });

  it("decays the weights of adapter norms, experts and head, and no bias (§8.14)", () => {
    const model = getPeftModel(tinyHost(), new MosaConfig({ split: "both" }));
    const { groups } = mosaRecipe({ train: batches() });
    expect(groups).toEqual([noDecay]);
    const spared = [...model.trainableParameters().keys()].filter((key) => key.search(noDecay.match as RegExp) >= 0);
    const all = [...model.trainableParameters().keys()];
    expect(spared).toEqual(all.filter((key) => key.endsWith(".bias")));
    expect(all.filter((key) => !spared.includes(key))).toEqual(
      expect.arrayContaining(["vit.encoder.layer.0.mosa.norm.weight", "vit.encoder.layer.0.mosa.down.experts.decay"]),
    );
    expect(() => new Trainer(model, mosaRecipe({ train: batches() }))).not.toThrow();
  });
});
