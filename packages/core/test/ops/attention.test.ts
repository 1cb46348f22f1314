// Attention beyond single shapes: masks that are made, the gradient that a mask gets, and queries in tiles.

import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Emitter, emit } from "../../src/engine/emit.js";
import { attention, causalMask, compile, gradients, Parameter, paddingMask, useEngine } from "../../src/index.js";
import { gradientFloor, relativeError } from "../../src/testing/index.js";
import { graphOf, numbers } from "../support/graphs.js";

beforeAll(async () => {
  await useEngine("compiled");
});
afterAll(async () => {
  await useEngine("eager");
});

/** Output and gradients by q, k, v and the mask, of the output times fixed numbers. */
async function evaluate(shapes: number[][], heads: number, composed = false): Promise<Float32Array[]> {
  const parameters = shapes.map((shape, i) => new Parameter(shape, numbers(shape, i), { name: `p${i}` }));
  const upstream = numbers([shapes[0]![0]!, shapes[0]![1]!, shapes[2]![2]!], 9);
  const run = compile(() => {
    let output: tf.Tensor | undefined;
    const found = gradients(() => {
      const [q, k, v, mask] = parameters.map((p) => p.value());
      output = composed ? plainly(q!, k!, v!, mask, heads) : attention(q!, k!, v!, { heads, mask });
      return tf.sum(tf.mul(tf.keep(output), tf.tensor(upstream, output.shape)));
    }, parameters);
    return [output!, ...found.gradients];
  });
  const results = await run();
  const data = await Promise.all(results.map((tensor) => tensor.data()));
  tf.dispose(results);
  for (const parameter of parameters) parameter.dispose();
  return data as Float32Array[];
}

/** The textbook's composition, which TensorFlow.js differentiates by itself. */
function plainly(q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, mask: tf.Tensor | undefined, heads: number): tf.Tensor {
  const apart = (x: tf.Tensor): tf.Tensor => {
    const [batch, tokens, width] = x.shape as [number, number, number];
    return tf.transpose(tf.reshape(x, [batch, tokens, heads, width / heads]), [0, 2, 1, 3]);
  };
  const scores = tf.mul(tf.matMul(apart(q), apart(k), false, true), (q.shape[2]! / heads) ** -0.5);
  const y = tf.matMul(tf.softmax(mask ? tf.add(scores, mask) : scores), apart(v));
  return tf.reshape(tf.transpose(y, [0, 2, 1, 3]), [q.shape[0]!, q.shape[1]!, v.shape[2]!]);
}

describe("a mask", () => {
  it.each([
    ["for every sample and head", [2, 3, 4, 5]],
    ["the same for all samples, as a relative position bias", [1, 3, 4, 5]],
    ["the same for all heads and queries", [2, 1, 1, 5]],
    ["of queries and keys alone", [4, 5]],
  ])("%s gets its gradient, on both engines", async (_, mask) => {
    const shapes = [[2, 4, 6], [2, 5, 6], [2, 5, 9], mask];
    for (const engine of ["compiled", "eager"] as const) {
      await useEngine(engine as "compiled");
      const [ours, reference] = [await evaluate(shapes, 3), await evaluate(shapes, 3, true)];
      const floor = gradientFloor(reference.slice(1));
      for (const [i, expected] of reference.entries()) {
        expect(relativeError(ours[i]!, expected, i === 0 ? 0 : floor), `${engine} ${i}`).toBeLessThan(1e-5);
      }
    }
    await useEngine("compiled");
  });

  it("of a decoder shows each query the keys up to its own", async () => {
    const mask = await compile(() => causalMask(3, 5))();
    const visible = Array.from(await mask.data(), (value) => Number(value === 0));
    expect(mask.shape).toEqual([1, 1, 3, 5]);
    expect(visible).toEqual([1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1]);
    mask.dispose();
  });

  it("of padding hides it, and a sequence of padding alone gives the mean of the values", async () => {
    const given = { data: Int32Array.of(1, 1, 0, 0, 0, 0), shape: [2, 3], dtype: "int32" as const };
    const x = { data: numbers([2, 3, 4], 1), shape: [2, 3, 4], dtype: "float32" as const };
    const run = compile((a, m) => attention(a!, a!, a!, { heads: 2, mask: paddingMask(m!) }));
    const y = await run(x, given);
    const data = await y.data();
    const values = x.data;
    const mean = [0, 1, 2, 3].map((c) => (values[12 + c]! + values[16 + c]! + values[20 + c]!) / 3);
    for (let c = 0; c < 4; c++) expect(data[12 + c]).toBeCloseTo(mean[c]!, 5);
    y.dispose();
    // What stands at padding has no weight at all.
    const other = { ...x, data: x.data.map((value, i) => (i >= 8 && i < 12 ? value + 100 : value)) };
    const again = await run(other, given);
    expect((await again.data()).slice(0, 8)).toEqual(data.slice(0, 8));
    again.dispose();
  });
});

describe("more queries than one tile holds", () => {
  // 36 MB of probabilities for a sample.
  const TOKENS = 3000;

  it("are computed tile by tile", () => {
    const softmaxes = (tokens: number): number => {
      const shape = [1, tokens, 2];
      const graph = graphOf([shape, shape, shape], (q, k, v) => [attention(q!, k!, v!, { heads: 1 })]);
      return Buffer.from(emit(graph, new Emitter()).model).toString("latin1").split("Softmax").length - 1;
    };
    expect(softmaxes(TOKENS / 2)).toBe(1);
    expect(softmaxes(TOKENS)).toBe(2);
  });

  it.each([
    ["without a mask", undefined],
    ["with a mask for each query", [1, 1, TOKENS, TOKENS]],
    ["with a mask for all queries", [1, 1, 1, TOKENS]],
  ])("give the same outputs and gradients %s", async (_, mask) => {
    const shape = [1, TOKENS, 2];
    const shapes = [shape, shape, shape, ...(mask ? [mask] : [])];
    const [ours, reference] = [await evaluate(shapes, 1), await evaluate(shapes, 1, true)];
    const floor = gradientFloor(reference.slice(1));
    for (const [i, expected] of reference.entries()) {
      expect(relativeError(ours[i]!, expected, i === 0 ? 0 : floor), `${i}`).toBeLessThan(1e-5);
    }
  });
});
