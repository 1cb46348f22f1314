// Every TensorFlow.js kernel that the compiled engine can write, against the kernel itself run op by op: outputs, and the
// gradients where TensorFlow.js has one.

import * as tf from "@tensorflow/tfjs";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { kernelNames } from "../../src/engine/kernel.js";
import { trace } from "../../src/engine/trace.js";
import { compile, Parameter, useEngine } from "../../src/index.js";
import { exactChecks } from "../../src/testing/conformance/exact.js";
import { extremeChecks } from "../../src/testing/conformance/extremes.js";
import { kernelChecks } from "../../src/testing/conformance/index.js";
import { KERNELS } from "../../src/testing/conformance/kernels/index.js";
import { listOf } from "../../src/testing/conformance/measure.js";
import { describeChecks } from "../support/conformance.js";

/** What the gradient of another kernel reaches alone: of Elu. */
const IN_GRADIENTS = ["EluGrad"];
/** "Kernel" or "Kernel, what is special". */
const kernelOf = (suite: string): string => suite.split(",")[0]!;

describe("the cases of the kernels", () => {
  it("are there for every kernel that can be written", () => {
    const known = kernelNames().filter((name) => !name.startsWith("Peft"));
    const tested = new Set([...Object.keys(KERNELS).map(kernelOf), ...IN_GRADIENTS]);
    expect(known.sort()).toEqual([...tested].sort());
  });

  it.each(Object.keys(KERNELS))("%s: its cases reach it", (name) => {
    const recorded = fc.sample(KERNELS[name]!.cases, { numRuns: 12, seed: 7 }).flatMap(({ inputs, apply }) => {
      const specs = inputs.map(({ shape, dtype = "float32" }) => ({ shape, dtype }));
      return trace(specs, (x) => listOf(apply(x))).nodes.map((node) => node.kernel);
    });
    expect(recorded).toContain(kernelOf(name));
  });
});

describeChecks("compiled:cpu", "compiled agrees with eager", () => [
  ...kernelChecks(),
  ...extremeChecks(),
  ...exactChecks(),
]);

describe("a kernel that cannot be written", () => {
  const picture = { data: new Float32Array(16), shape: [1, 4, 4, 1], dtype: "float32" } as const;

  it("is an error that names the kernel, the place and the way out", async () => {
    await useEngine("compiled");
    const weight = new Parameter([1], new Float32Array(1), { name: "encoder.layer.3.weight" });
    const run = compile((x) => tf.localResponseNormalization(tf.mul(x!, weight.value()) as tf.Tensor4D));
    await expect(run(picture)).rejects.toMatchObject({
      code: "ENGINE_KERNEL_MISSING",
      message: expect.stringContaining("LRN"),
      place: "encoder.layer.3",
      hint: expect.stringContaining('useEngine("eager")'),
    });
  });

  it("leaves the engine as it was", async () => {
    await useEngine("compiled");
    const before = tf.memory().numTensors;
    await expect(compile((x) => tf.localResponseNormalization(x as tf.Tensor4D))(picture)).rejects.toThrow();
    expect(tf.memory().numTensors).toBe(before);
    expect(tf.getBackend()).toBe("cpu");
    const y = await compile((x) => tf.add(x!, 1))(picture);
    expect((await y.data())[0]).toBe(1);
  });

  it("says what to do about a gather whose batch does not reach its axis", async () => {
    await useEngine("compiled");
    const indices = { data: new Int32Array(1), shape: [1, 1], dtype: "int32" } as const;
    const run = compile((x, at) => tf.gather(x!, at!, 2, 1));
    await expect(run(picture, indices)).rejects.toMatchObject({
      code: "ENGINE_KERNEL_MISSING",
      hint: expect.stringContaining("tf.transpose"),
    });
  });
});
