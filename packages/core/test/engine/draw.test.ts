// Draws inside functions: a function of seed, step and site, and the same on both engines.

import type * as tf from "@tensorflow/tfjs";
import { afterAll, describe, expect, it } from "vitest";
import { fill } from "../../src/engine/draw.js";
import { compile, type Distribution, draw, useEngine } from "../../src/index.js";

const SHAPE = [3, 4];
const DISTRIBUTIONS: Distribution[] = ["uniform", "normal", "gumbel", "key", { kind: "integers", below: 7 }];
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
