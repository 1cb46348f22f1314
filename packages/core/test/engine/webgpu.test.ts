// The compiled engine on a WebGPU device: tensors that stay in its buffers from call to call, and come back as they were.

import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compile, gradients, Parameter, type ParameterData, useEngine } from "../../src/index.js";
import { BOUNDS, relativeError, roadAbsence } from "../../src/testing/index.js";

const absent = await roadAbsence("compiled:webgpu");
const because = absent === undefined ? "" : ` (skipped: ${absent})`;

afterAll(() => useEngine("compiled"));

describe.skipIf(absent !== undefined)(`WebGPU${because}`, () => {
  beforeAll(async () => {
    await useEngine("compiled", { device: "webgpu" });
  });

  const TYPES: [string, number[], ParameterData][] = [
    ["a scalar", [], Float32Array.of(-1.5)],
    ["float32", [2, 3], Float32Array.of(1, -2, 3e-30, 4e30, -0, 6)],
    ["int32", [5], Int32Array.of(2 ** 31 - 1, -(2 ** 31), 0, 7, -7)],
    ["bool", [7], Uint8Array.of(1, 0, 0, 1, 1, 0, 1)],
    ["no element", [0, 3], new Float32Array(0)],
  ];
  const dtypeOf = (data: ParameterData): "float32" | "int32" | "bool" =>
    data instanceof Float32Array ? "float32" : data instanceof Int32Array ? "int32" : "bool";

  it.each(TYPES)("gives a parameter back as it was: %s", async (_, shape, data) => {
    const parameter = new Parameter(shape, data.slice(), { dtype: dtypeOf(data) });
    const value = await compile(() => tf.clone(parameter.value()))();
    expect(await value.data()).toEqual(data);
    expect(await parameter.read()).toEqual(data);
    const copy = parameter.clone();
    parameter.dispose();
    expect(await copy.read()).toEqual(data);
    copy.dispose();
    value.dispose();
  });

  it("keeps what a step assigns for the next one: ten steps are the CPU's", async () => {
    const size = 40;
    const run = async (): Promise<Float32Array> => {
      const weight = new Parameter(
        [size],
        Float32Array.from({ length: size }, (_, i) => Math.cos(i)),
      );
      const moment = Parameter.zeros([size]);
      const step = compile((x) => {
        const { loss, gradients: found } = gradients(
          () => tf.sum(tf.square(tf.sub(tf.mul(weight.value(), x!), 1))),
          [weight],
        );
        moment.assign(tf.add(tf.mul(moment.value(), 0.9), found[0]!));
        weight.assign(tf.sub(weight.value(), tf.mul(moment.value(), 0.01)));
        return loss;
      });
      const x = {
        data: Float32Array.from({ length: size }, (_, i) => Math.sin(i)),
        shape: [size],
        dtype: "float32" as const,
      };
      for (let i = 0; i < 10; i++) (await step(x)).dispose();
      const numbers = (await weight.read()) as Float32Array;
      for (const parameter of [weight, moment]) parameter.dispose();
      return numbers;
    };
    const found = await run();
    await useEngine("compiled");
    const expected = await run();
    await useEngine("compiled", { device: "webgpu" });
    expect(relativeError(found, expected)).toBeLessThan(BOUNDS.outputs);
  });

  it("moves parameters over when another engine takes its place, and back", async () => {
    const parameter = new Parameter([3], Float32Array.of(1, 2, 3));
    const double = compile(() => {
      parameter.assign(tf.mul(parameter.value(), 2));
      return parameter.value();
    });
    for (const device of ["webgpu", "cpu", "webgpu"] as const) {
      await useEngine("compiled", { device });
      (await double()).dispose();
    }
    expect(await parameter.read()).toEqual(Float32Array.of(8, 16, 24));
    parameter.dispose();
  });

  it("leaves no buffer behind: a hundred updates of 4 MB take no hundred times 4 MB", async () => {
    const parameter = Parameter.zeros([2 ** 20]);
    const step = compile(() => {
      parameter.assign(tf.add(parameter.value(), 1));
      return tf.zeros([1]);
    });
    for (let i = 0; i < 10; i++) (await step()).dispose();
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 100; i++) (await step()).dispose();
    // The software device's buffers are memory of the process; a card's are not, and nothing shows there.
    expect(process.memoryUsage().rss - before).toBeLessThan(200e6);
    expect((await parameter.read())[0]).toBe(110);
    parameter.dispose();
  });
});
