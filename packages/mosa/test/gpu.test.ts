import { compile, getPeftModel, useEngine } from "@peft/core";
import { BOUNDS, relativeError } from "@peft/core/testing";
import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { MosaConfig } from "../src/index.js";
import { logitsOf, readAll, tinyHost, train } from "./tiny.js";

/** Ten steps, and the logits after them. */
async function tenSteps(): Promise<{ logits: Float32Array; finite: boolean }> {
  const model = getPeftModel(tinyHost(), new MosaConfig({ bottleneck: 4, split: "both" }));
  try {
    await train(model, { epochs: 10 });
    const numbers = [...(await readAll(model.trainableParameters())).values()];
    return { logits: await logitsOf(model), finite: numbers.every((data) => data.every(Number.isFinite)) };
  } finally {
    model.dispose();
  }
}

/** Why there is no WebGPU to train on; undefined where there is. The device is opened at the first call of a function. */
async function whyNot(): Promise<string | undefined> {
  try {
    await useEngine("compiled", { device: "webgpu" });
    (await compile((x) => tf.add(x!, 1))({ data: Float32Array.of(1), shape: [1], dtype: "float32" })).dispose();
    return undefined;
  } catch (error) {
    await useEngine("compiled");
    return (error as Error).message.split("\n")[0]!;
  }
}

const reason = await whyNot();

it.skipIf(reason !== undefined)(
  `ten steps on a WebGPU device end where the CPU's do${reason === undefined ? "" : ` (skipped, no device: ${reason})`}`,
  async () => {
    await useEngine("compiled", { device: "webgpu" });
    const gpu = await tenSteps();
    expect(gpu.finite).toBe(true);
    await useEngine("compiled");
    const cpu = await tenSteps();
    expect(relativeError(gpu.logits, cpu.logits)).toBeLessThan(BOUNDS.steps);
  },
);
