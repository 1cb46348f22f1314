// Labels that are shares of the classes, as mixup makes them: each pass of a step is held to them.

import { getPeftModel, type HostArray, useEngine } from "@peft/core";
import { relativeError } from "@peft/core/testing";
import { beforeAll, describe, expect, it } from "vitest";
import { MosaConfig } from "../src/index.js";
import { probe } from "../src/testing/probe.js";
import { batches, inputs, moved, readAll, tinyHost, train } from "./tiny.js";

const config = () => new MosaConfig({ bottleneck: 4, dropout: 0, split: "both", addWeight: 0.5 });
const withLabels = (rows: number[][]): Record<string, HostArray> => ({
  ...inputs,
  labels: { data: Float32Array.from(rows.flat()), shape: [2, 3], dtype: "float32" },
});
const SURE = withLabels([
  [1, 0, 0],
  [0, 0, 1],
]);
const MIXED = withLabels([
  [0.7, 0.05, 0.25],
  [0.25, 0.05, 0.7],
]);

describe.each(["compiled", "eager"] as const)("soft labels, %s", (engine) => {
  beforeAll(async () => {
    await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
  });

  it("that give all to one class have the gradients of the class's number", async () => {
    const model = await moved(config());
    const soft = await probe(model, { inputs: SURE, size: 2 });
    const hard = await probe(model, { inputs, size: 2 });
    for (const [name, wanted] of hard.grads) {
      expect(relativeError(soft.grads.get(name)!, wanted), name).toBeLessThan(1e-5);
    }
    model.dispose();
  });
});

it("the engines agree on what is learnt from mixed labels", async () => {
  const changes = async (): Promise<Map<string, number[]>> => {
    const model = getPeftModel(tinyHost(), config());
    const before = await readAll(model.trainableParameters());
    await train(model, { train: batches(5, MIXED), epochs: 1, learningRate: 1e-3 });
    const found = await readAll(model.trainableParameters());
    model.dispose();
    return new Map([...found].map(([name, x]) => [name, Array.from(x, (value, i) => value - before.get(name)![i]!)]));
  };
  await useEngine("eager");
  const eager = await changes();
  await useEngine("compiled", { threads: 2 });
  const compiled = await changes();
  for (const [name, wanted] of eager) {
    expect(relativeError(compiled.get(name)!, wanted), `${name}: p_5 - p_0`).toBeLessThan(1e-4);
  }
});
