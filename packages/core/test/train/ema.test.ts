import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { Parameter, useEngine } from "../../src/index.js";
import { relativeError } from "../../src/testing/index.js";
import { type EmaOptions, emaDecay, sgd, trainingStep } from "../../src/train/index.js";
import { floats, GivenGradients, numbersOf } from "./models.js";

const fixture = JSON.parse(readFileSync(new URL("../../../../fixtures/train/ema.json", import.meta.url), "utf8")) as {
  learningRate: number;
  start: number[];
  gradients: number[][];
  cases: Record<string, { options: EmaOptions; decays: number[]; average: number[]; end: number[] }>;
};

const modelOf = (start: readonly number[]) =>
  new GivenGradients(new Map([["p", new Parameter([start.length], Float32Array.from(start), { name: "p" })]]));

it.each(Object.entries(fixture.cases))("the decays of %s are those of diffusers' formula", (_, { options, decays }) => {
  for (const [i, decay] of decays.entries()) expect(emaDecay(options, i + 1)).toBeCloseTo(decay, 12);
});

describe.each(["compiled", "eager"] as const)("on the %s engine", (engine) => {
  beforeEach(async () => {
    if (engine === "compiled") await useEngine("compiled", { threads: 1 });
    else await useEngine("eager");
  });

  it.each(Object.entries(fixture.cases))(
    "the average of ten steps with %s is torch's",
    async (_, { options, average, end }) => {
      const training = trainingStep(modelOf(fixture.start), { optimizer: sgd(), ema: options });
      for (const [step, gradient] of fixture.gradients.entries()) {
        await training.run({ p: floats(gradient, [6]) }, { learningRate: fixture.learningRate, seed: 0, step });
      }
      expect(relativeError((await numbersOf(training.parameters)).p!, end)).toBeLessThan(1e-6);
      expect(relativeError((await numbersOf(training.averages)).p!, average)).toBeLessThan(1e-6);
      training.dispose();
    },
  );

  it("an exchange and another one leave every bit where it was", async () => {
    const training = trainingStep(modelOf([1, -0, 3]), { optimizer: sgd(), ema: {} });
    for (const step of [0, 1]) {
      await training.run({ p: floats([1, 0, -1], [3]) }, { learningRate: 0.1, seed: 0, step });
    }
    const [parameters, averages] = [await numbersOf(training.parameters), await numbersOf(training.averages)];
    expect(averages).not.toEqual(parameters);
    await training.exchange();
    expect(await numbersOf(training.parameters)).toEqual(averages);
    expect(await numbersOf(training.averages)).toEqual(parameters);
    await training.exchange();
    expect(await numbersOf(training.parameters)).toEqual(parameters);
    expect(await numbersOf(training.averages)).toEqual(averages);
    // The buffers are told apart afterwards: a step after an exchange is the step without one.
    await training.run({ p: floats([1, 0, -1], [3]) }, { learningRate: 0.1, seed: 0, step: 2 });
    const other = trainingStep(modelOf([1, -0, 3]), { optimizer: sgd(), ema: {} });
    for (const step of [0, 1, 2]) {
      await other.run({ p: floats([1, 0, -1], [3]) }, { learningRate: 0.1, seed: 0, step });
    }
    expect(await numbersOf(training.parameters)).toEqual(await numbersOf(other.parameters));
    expect(await numbersOf(training.averages)).toEqual(await numbersOf(other.averages));
    training.dispose();
    other.dispose();
  });

  it("a step that comes to nothing leaves the average what it was", async () => {
    const training = trainingStep(modelOf([1, -0, 3]), { optimizer: sgd(), ema: {} });
    for (const step of [0, 1]) {
      await training.run({ p: floats([1, 0, -1], [3]) }, { learningRate: 0.1, seed: 0, step });
    }
    const before = await numbersOf(training.averages);
    await training.run({ p: floats([1, Number.NaN, -1], [3]) }, { learningRate: 0.1, seed: 0, step: 2 });
    expect(await numbersOf(training.averages)).toEqual(before);
    training.dispose();
  });
});
