// What a compiled function says of itself.

import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { compile, gradients, linear, Parameter, relu, structureChanged, useEngine } from "../../src/index.js";
import { numbers } from "../support/graphs.js";

const [up, down] = [
  new Parameter([32, 8], numbers([32, 8], 1), { name: "ffn.up.weight" }),
  new Parameter([8, 32], numbers([8, 32], 2), { name: "ffn.down.weight" }),
];
const step = () =>
  compile((x) => {
    const forward = (): tf.Tensor => tf.sum(linear(relu(linear(x!, up.value())), down.value()));
    const { loss, gradients: found } = gradients(forward, [up, down]);
    up.assign(tf.sub(up.value(), tf.mul(found[0]!, 0.1)));
    return loss;
  });
const x = { data: numbers([4, 8], 3), shape: [4, 8], dtype: "float32" as const };

beforeAll(async () => {
  await useEngine("compiled");
});
afterAll(async () => {
  await useEngine("eager");
});

describe("explain", () => {
  it("lists every operation with its module, pass, shapes and bytes, and runs nothing", async () => {
    const before = await up.read();
    const { stages, peakBytes } = step().explain({ shape: [4, 8], dtype: "float32" });
    const [traced, simplified] = stages;
    expect([traced.name, simplified.name]).toEqual(["traced", "simplified"]);
    const product = simplified.nodes.find(({ kernel, module }) => kernel === "PeftLinear" && module === "ffn.up");
    expect(product).toMatchObject({ backward: false, outputs: [[4, 32]], bytes: 4 * 4 * 32 });
    const gradient = simplified.nodes.find(({ kernel, backward }) => backward && kernel === "PeftLinearWeightGradient");
    expect(gradient).toBeDefined();
    expect(peakBytes).toBeGreaterThan(4 * 4 * 32);
    expect(await up.read()).toEqual(before);
  });

  it("prints a table by module", () => {
    const table = String(step().explain({ shape: [4, 8], dtype: "float32" }));
    expect(table).toMatch(/^\d+ nodes traced, \d+ simplified; at most [\d.]+ MB/);
    expect(table).toMatch(/^ffn\.up +forward +\d+ +[\d.]+ {2}.*PeftLinear/m);
    expect(table).not.toMatch(/ ms /);
  });

  it("has times after a profiled run, which changes no parameter", async () => {
    const before = await up.read();
    const { stages } = await step().profile(x);
    const times = stages[1].nodes.map(({ milliseconds }) => milliseconds!);
    expect(times.every((ms) => ms >= 0)).toBe(true);
    expect(Math.max(...times)).toBeGreaterThan(0);
    expect(await up.read()).toEqual(before);
  });

  it("cannot profile what runs op by op", async () => {
    await useEngine("eager");
    await expect(step().profile(x)).rejects.toMatchObject({ code: "ENGINE_GRAPH_INVALID" });
    await useEngine("compiled");
  });
});

describe("PEFT_DEBUG", () => {
  it.each(["graph", "profile"])("%s prints the graph of each function when it is made, once", async (value) => {
    const printed = vi.spyOn(console, "error").mockImplementation(() => {});
    vi.stubEnv("PEFT_DEBUG", value);
    try {
      const run = step();
      for (let i = 0; i < 2; i++) (await run(x)).dispose();
      expect(printed).toHaveBeenCalledTimes(1);
      expect(printed.mock.calls[0]![0]).toMatch(/^\[peft\] \d+ nodes traced/);
      // It is made again after a model has changed.
      structureChanged();
      (await run(x)).dispose();
      expect(printed).toHaveBeenCalledTimes(2);
    } finally {
      vi.unstubAllEnvs();
      printed.mockRestore();
    }
  });
});
