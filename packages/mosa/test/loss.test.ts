import { readFileSync } from "node:fs";
import { compile, gradients, type ModelOutput, Parameter, useEngine } from "@peft/core";
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { deepLoss, symmetricKl } from "../src/index.js";
import { halves, twice, twoPassLoss } from "../src/loss.js";

const goldens = JSON.parse(readFileSync(new URL("../../../fixtures/mosa/goldens.json", import.meta.url), "utf8"));

const numbers = async (tensor: tf.Tensor): Promise<number[]> => Array.from(await tensor.data());

describe.each(["compiled", "eager"] as const)("the loss, %s", (engine) => {
  beforeAll(async () => {
    await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
  });

  it.each(["two", "batch", "same"])(
    "has the original's symmetric divergence and gradients: %s (§8.12)",
    async (name) => {
      const golden = goldens.klSymmetric[name] as Record<"p" | "q" | "gradP" | "gradQ", number[][]> & { loss: number };
      const shape = [golden.p.length, golden.p[0]!.length];
      const [p, q] = [golden.p, golden.q].map((rows) => new Parameter(shape, Float32Array.from(rows.flat())));
      const step = compile(() => {
        const found = gradients(() => symmetricKl(p!.value(), q!.value()), [p!, q!]);
        return { loss: found.loss, gradients: found.gradients };
      });
      const found = await step();
      const close = (actual: number[], wanted: number[]): void => {
        for (const [i, x] of wanted.entries()) expect(Math.abs(actual[i]! - x)).toBeLessThan(1e-6);
      };
      close(await numbers(found.loss), [golden.loss]);
      close(await numbers(found.gradients[0]!), golden.gradP.flat());
      close(await numbers(found.gradients[1]!), golden.gradQ.flat());
    },
  );

  it("has the specification's numbers of the divergence (§8.12)", async () => {
    const kl = compile((p, q) => symmetricKl(p!, q!));
    const of = async (p: number[][], q: number[][]): Promise<number> => {
      const host = (rows: number[][]) => ({
        data: Float32Array.from(rows.flat()),
        shape: [rows.length, rows[0]!.length],
        dtype: "float32" as const,
      });
      return (await numbers(await kl(host(p), host(q))))[0]!;
    };
    expect(await of([[1, 0]], [[0, 1]])).toBeCloseTo(0.4621172, 6);
    const [p, q] = [
      [
        [1, 0],
        [2, -1],
      ],
      [
        [0, 1],
        [0.5, 0.5],
      ],
    ];
    expect(await of(p!, q!)).toBeCloseTo(0.57048917, 6);
    expect(await of(p!, p!)).toBe(0);
  });

  it("compares the hidden states of the first six blocks, or of the last: a distance of 1 in six of twelve is 0.005 (§8.15)", async () => {
    // The embeddings' output and twelve blocks'; the passes differ by 1 in the first six blocks, by 2 in the others.
    const run = compile(() => {
      const first = Array.from({ length: 13 }, () => tf.zeros([2, 3, 4]));
      const second = first.map((state, i) => tf.add(state, i === 0 ? 100 : i <= 6 ? 1 : 2));
      return { first6: deepLoss(first, second, "first6"), last6: deepLoss(first, second, "last6") };
    });
    const { first6, last6 } = await run();
    expect((await numbers(first6))[0]).toBeCloseTo(0.005, 8);
    expect((await numbers(last6))[0]).toBeCloseTo(0.02, 8);
  });

  it("adds up as the paper has it, and lets the labels see the second pass only where addWeight is above 0 (§8.13)", async () => {
    const output = (logits: tf.Tensor): ModelOutput => ({ logits, hiddenStates: [logits, logits] });
    const host = { data: Float32Array.of(1, 0, 0, 1), shape: [2, 2], dtype: "float32" as const };
    const losses = async (addWeight: number, regWeight: number): Promise<[number, number]> => {
      let calls = 0;
      const run = compile((both) => {
        const [p, q] = halves(output(both!));
        const options = { addWeight, regWeight, deepReg: true, deepRegBlocks: "first6" as const };
        return twoPassLoss(p, q, ({ logits }) => [tf.sum(tf.mul(logits, [[3, 5]]))][calls++ * 0]!, options);
      });
      const [loss] = await numbers(await run(host));
      return [loss!, calls];
    };
    const kl = 0.46211717;
    const deep = 0.01;
    expect((await losses(0, 1))[0]).toBeCloseTo(3 + kl + deep, 5);
    expect((await losses(0, 1))[1]).toBe(1);
    expect((await losses(0.5, 2))[0]).toBeCloseTo(3 + 2.5 + 2 * (kl + deep), 5);
    expect((await losses(0, 0))[0]).toBeCloseTo(3, 6);
  });

  it("puts a batch behind itself, and takes the outputs apart again", async () => {
    const run = compile((x) => {
      const { x: both } = twice({ x: x! });
      const [p, q] = halves({ logits: both!, hiddenStates: [tf.mul(both!, 2)] });
      return { both: both!, p: p.logits, q: q.hiddenStates[0]! };
    });
    const { both, p, q } = await run({ data: Float32Array.of(1, 2, 3, 4), shape: [2, 2], dtype: "float32" });
    expect(both.shape).toEqual([4, 2]);
    expect(await numbers(both)).toEqual([1, 2, 3, 4, 1, 2, 3, 4]);
    expect(await numbers(p)).toEqual([1, 2, 3, 4]);
    expect(await numbers(q)).toEqual([2, 4, 6, 8]);
  });
});
