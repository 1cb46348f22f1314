import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { inTraining } from "../../src/engine/index.js";
import { attention, compile, Dropout, useEngine } from "../../src/index.js";
import { attentionWithDropout } from "../../src/models/attentionDropout.js";
import { goldenArray, relativeError } from "../../src/testing/index.js";

const KEYS = 512;
const HEADS = 2;
const array = (seed: number, shape: number[]) => ({
  data: goldenArray(
    seed,
    shape.reduce((product, d) => product * d, 1),
    1,
  ),
  shape,
  dtype: "float32" as const,
});

function dropoutOf(rate: number): Dropout {
  const dropout = new Dropout(rate);
  dropout.path = "attention.dropout";
  return dropout;
}

describe.each(["compiled", "eager"] as const)("attention with dropout on its probabilities, %s", (engine) => {
  it("is plain attention outside of training, and close to it on average in training", async () => {
    await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
    const inputs = [array(1, [2, 3, 8]), array(2, [2, KEYS, 8]), array(3, [2, KEYS, 8])] as const;
    const run = (rate: number, training: boolean) =>
      compile((q, k, v) => {
        const options = { heads: HEADS, dropout: dropoutOf(rate) };
        const body = () => attentionWithDropout(q!, k!, v!, options);
        return training ? inTraining(body) : body();
      })(...inputs);
    const plain = await (await compile((q, k, v) => attention(q!, k!, v!, { heads: HEADS }))(...inputs)).data();
    expect(await (await run(0.5, false)).data()).toEqual(plain);
    expect(await (await run(0, true)).data()).toEqual(plain);
    // Each number is a mean over 512 keys, of values up to 1: dropping a tenth moves it by some 1 %.
    const dropped = await (await run(0.1, true)).data();
    const largest = Math.max(...[...dropped].map((x, i) => Math.abs(x - plain[i]!)));
    expect(largest).toBeGreaterThan(1e-3);
    expect(largest).toBeLessThan(0.06);
    // The written-out form is the same attention: with next to nothing dropped, next to nothing differs.
    expect(relativeError(await (await run(1e-7, true)).data(), plain)).toBeLessThan(1e-5);
  });

  it("keeps what the mask hides hidden", async () => {
    await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
    const [q, k] = [array(1, [1, 2, 4]), array(2, [1, 6, 4])];
    const v = { ...array(3, [1, 6, 4]), data: Float32Array.from({ length: 24 }, (_, i) => (i < 12 ? 1 : 1e6)) };
    const run = compile((a, b, c) => {
      const mask = tf.tensor([0, 0, 0, -3e38, -3e38, -3e38], [1, 1, 1, 6]);
      return inTraining(() => attentionWithDropout(a!, b!, c!, { heads: 1, mask, dropout: dropoutOf(0.3) }));
    });
    for (const x of await (await run(q, k, v)).data()) expect(x).toBeLessThan(1 / 0.7 + 1e-5);
  });
});
