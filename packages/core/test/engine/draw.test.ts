// Draws inside functions: a function of seed, step and site, and the same on both engines.

import type * as tf from "@tensorflow/tfjs";
import { afterAll, describe, expect, it } from "vitest";
import { fill } from "../../src/engine/draw.js";
import { compile, type Distribution, draw, useEngine } from "../../src/index.js";

const SHAPE = [3, 4];
const DISTRIBUTIONS: Distribution[] = [
  "uniform",
  "normal",
  "gumbel",
  "key",
  { kind: "integers", below: 7 },
  { kind: "bernoulli", probability: 0.4 },
];
const numbersOf = async (tensor: tf.Tensor): Promise<number[]> => [...(await tensor.data())];

afterAll(async () => {
  await useEngine("eager");
});

describe.each(["compiled", "eager"] as const)("draws on the %s engine", (engine) => {
  const start = async (): Promise<void> => {
    await (engine === "eager" ? useEngine("eager") : useEngine("compiled"));
  };

  it("are the host's numbers, bit for bit", async () => {
    await start();
    const run = compile(() => [
      ...DISTRIBUTIONS.map((distribution) => draw("site", SHAPE, distribution)),
      draw("order", [9], "permutation"),
    ]);
    const key = { seed: 5, step: 8 };
    const found = await run.at(key)();
    for (const [i, distribution] of DISTRIBUTIONS.entries()) {
      const site = i === 0 ? "site" : `site#${i}`;
      expect(await numbersOf(found[i]!), JSON.stringify(distribution)).toEqual([
        ...fill({ site, shape: SHAPE, distribution }, key),
      ]);
    }
    expect(await numbersOf(found.at(-1)!)).toEqual([
      ...fill({ site: "order", shape: [9], distribution: "permutation" }, key),
    ]);
  });

  it("depend on seed, step and site, and on nothing else", async () => {
    await start();
    const run = compile(() => [draw("a", SHAPE, "normal"), draw("b", SHAPE, "normal"), draw("a", SHAPE, "normal")]);
    const at = async (seed: number, step: number): Promise<string[]> =>
      Promise.all((await run.at({ seed, step })()).map(async (tensor) => (await numbersOf(tensor)).join()));
    const all = [...(await at(1, 1)), ...(await at(1, 2)), ...(await at(2, 1))];
    expect(new Set(all).size).toBe(9);
    expect(await at(1, 1)).toEqual(all.slice(0, 3));
    const lone = compile(() => draw("b", SHAPE, "normal"));
    expect((await numbersOf(await lone.at({ seed: 1, step: 1 })())).join()).toBe(all[1]);
  });

  it("are those of seed 0, step 0 unless another is named", async () => {
    await start();
    const run = compile(() => draw("site", [2], "uniform"));
    expect(await numbersOf(await run())).toEqual(await numbersOf(await run.at({ seed: 0, step: 0 })()));
  });
});

it("a draw outside any function is an error under the compiled engine", async () => {
  await useEngine("compiled");
  expect(() => draw("site", [1], "uniform")).toThrow(expect.objectContaining({ code: "ENGINE_GRAPH_INVALID" }));
});

describe("the numbers of a draw", () => {
  it("draws what it always drew", () => {
    const key = { seed: 42, step: 3 };
    const draw = (distribution: Parameters<typeof fill>[0]["distribution"], n = 4): number[] => [
      ...fill({ site: "site", shape: [n], distribution }, key),
    ];
    expect(draw("uniform")).toEqual([0.0664328932762146, 0.4795340895652771, 0.3066471815109253, 0.6173969507217407]);
    expect(draw("normal")).toEqual([-2.30953311920166, -1.1379024982452393, -0.9798389077186584, -1.4358121156692505]);
    expect(draw("gumbel")).toEqual([-0.9975250363349915, 0.30796611309051514, -0.1672564297914505, 0.7293069958686829]);
    expect(draw("key", 2)).toEqual([285327185, 2059583443]);
    expect(draw("permutation", 8)).toEqual([5, 3, 7, 6, 0, 1, 2, 4]);
    expect(draw({ kind: "integers", below: 100 })).toEqual([6, 47, 30, 61]);
    expect(draw({ kind: "bernoulli", probability: 0.47 })).toEqual([1, 0, 1, 0]);
    expect(draw({ kind: "bernoulli", probability: 0.48 })).toEqual([1, 1, 1, 0]);
  });

  it("draws a normal distribution: mean 0, deviation 1, tails as they should be", () => {
    const n = 50_000;
    const x = [...fill({ site: "normal", shape: [n], distribution: "normal" }, { seed: 1, step: 0 })];
    const moment = (power: number): number => x.reduce((sum, value) => sum + value ** power, 0) / n;
    expect(Math.abs(moment(1))).toBeLessThan(6 / Math.sqrt(n));
    expect(Math.abs(moment(2) - 1)).toBeLessThan(6 * Math.sqrt(2 / n));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(6 * Math.sqrt(96 / n));
    expect(x.every(Number.isFinite)).toBe(true);
  });

  it("refuses integers below nothing, and what is no probability", () => {
    const refused: Distribution[] = [
      { kind: "integers", below: 0 },
      { kind: "bernoulli", probability: -0.1 },
      { kind: "bernoulli", probability: Number.NaN },
    ];
    for (const distribution of refused) {
      expect(() => fill({ site: "site", shape: [1], distribution }, { seed: 0, step: 0 })).toThrow(
        expect.objectContaining({ code: "ARGUMENT_INVALID", place: "site" }),
      );
    }
  });
});
