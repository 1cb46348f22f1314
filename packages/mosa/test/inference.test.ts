// Ways of using experts in evaluation, and what training tells of them.

import { compile, evaluate, getPeftModel, useEngine } from "@peft/core";
import { relativeError } from "@peft/core/testing";
import type * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { type Inference, MosaConfig, type MosaFields, moduleUsage, withInference } from "../src/index.js";
import { batches, inputs, logitsOf, moved, tinyHost, train } from "./tiny.js";

async function logitsUnder(
  model: Parameters<typeof withInference>[0],
  inference: Inference,
  step = 0,
): Promise<Float32Array> {
  const view = withInference(model, inference);
  const run = compile((pixelValues) => view.forward({ pixelValues: pixelValues! }).logits);
  const logits = (await run.at({ seed: 1, step })(inputs.pixelValues)) as tf.Tensor;
  const data = (await logits.data()).slice() as Float32Array;
  logits.dispose();
  return data;
}

describe.each(["compiled", "eager"] as const)("inference, %s", (engine) => {
  beforeAll(async () => {
    await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
  });

  const config = (fields: Partial<MosaFields> = {}) => new MosaConfig({ bottleneck: 4, numExperts: 3, ...fields });

  it("merges by itself; at random it uses experts that the step draws; an ensemble has each expert once", async () => {
    const model = await moved(config({ scale: 1 }));
    const merged = await logitsOf(model);
    expect(await logitsUnder(model, "merge")).toEqual(merged);
    const random = await logitsUnder(model, "random");
    expect(random).not.toEqual(merged);
    expect(await logitsUnder(model, "random")).toEqual(random);
    const others = await Promise.all([1, 2, 3, 4].map((step) => logitsUnder(model, "random", step)));
    expect(others.some((logits) => String(logits) !== String(random))).toBe(true);
    const ensemble = await logitsUnder(model, "ensemble");
    expect(ensemble).not.toEqual(merged);
    // Of small adapters the model is nearly linear, and the two means nearly one.
    expect(relativeError(ensemble, merged)).toBeLessThan(0.2);
    model.dispose();
  });

  it("of one expert is the same in every way", async () => {
    const model = await moved(config({ numExperts: 1 }));
    const merged = await logitsUnder(model, "merge");
    for (const inference of ["random", "ensemble"] as const) {
      expect(relativeError(await logitsUnder(model, inference), merged)).toBeLessThan(1e-6);
    }
    model.dispose();
  });

  it("is evaluated like a model, and the model is afterwards what it was", async () => {
    const model = await moved(config());
    const before = await logitsOf(model);
    const { loss, accuracy } = await evaluate(withInference(model, "ensemble"), batches());
    expect(loss).toBeGreaterThan(0);
    expect(accuracy).toBeGreaterThanOrEqual(0);
    expect(await logitsOf(model)).toEqual(before);
    model.dispose();
  });

  it("stratified draws use each expert once in N passes, in an order of their own at each place", async () => {
    const model = getPeftModel(tinyHost(), config({ draws: "stratified", split: "both" }));
    // 6 steps of 2 passes are 4 rounds of 3 experts.
    await train(model, { train: batches(6), epochs: 1 });
    const usage = await moduleUsage(model);
    expect(usage.map(({ path }) => path)).toEqual(
      [0, 1].flatMap((i) => ["down", "up"].map((side) => `vit.encoder.layer.${i}.mosa.${side}`)),
    );
    for (const { passes } of usage) expect(passes).toEqual([4, 4, 4]);
    model.dispose();
  });

  it("the report of usage is of the adapter that is named, whichever is active", async () => {
    const model = getPeftModel(tinyHost(), config());
    await train(model, { train: batches(10), epochs: 1 });
    const first = await moduleUsage(model);
    model.addAdapter("second", config({ numExperts: 2 }));
    model.setAdapter("second");
    await train(model, { train: batches(4), epochs: 1 });
    expect(await moduleUsage(model)).toEqual(first);
    for (const { passes } of await moduleUsage(model, "second")) {
      expect(passes).toHaveLength(2);
      expect(passes[0]! + passes[1]!).toBe(8);
    }
    model.dispose();
  });

  it("the report of usage counts every pass, and the updates of each expert by the optimizer's semantics", async () => {
    for (const optimizerSemantics of ["official", "lazy"] as const) {
      const model = getPeftModel(tinyHost(), config({ optimizerSemantics }));
      await train(model, { train: batches(10), epochs: 1 });
      for (const { passes, updates } of await moduleUsage(model)) {
        expect(passes.reduce((a, b) => a + b)).toBe(20);
        for (const [e, count] of updates.entries()) {
          expect(count).toBeLessThanOrEqual(10);
          if (optimizerSemantics === "lazy") expect(count).toBeLessThanOrEqual(passes[e]!);
        }
      }
      model.dispose();
    }
  });
});
