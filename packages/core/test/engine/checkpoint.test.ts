// Gradient checkpointing: what a block keeps, and that nothing but memory changes.

import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { aliveBytes } from "../../src/engine/memory.js";
import { simplify } from "../../src/engine/simplify/index.js";
import { trace } from "../../src/engine/trace.js";
import {
  checkpoint,
  compile,
  dropout,
  gelu,
  gradients,
  inCheckpointing,
  inTraining,
  linear,
  Parameter,
  useEngine,
} from "../../src/index.js";
import { countOf, faultsOf, numbers } from "../support/graphs.js";

const BLOCKS = 6;
const [ROWS, WIDTH, INNER] = [64, 16, 128];
const shapes: [number, number][] = [
  [INNER, WIDTH],
  [WIDTH, INNER],
];
const weights = Array.from({ length: BLOCKS }, (_, i) =>
  shapes.map(
    (shape, side) => new Parameter(shape, numbers(shape, 2 * i + side), { name: `block.${i}.${side}.weight` }),
  ),
);
const x = { data: numbers([ROWS, WIDTH], 99), shape: [ROWS, WIDTH], dtype: "float32" as const };

/** Blocks of a residual network with dropout, and the gradients of all its weights. */
function step(input: tf.Tensor): { loss: tf.Tensor; found: tf.Tensor[] } {
  const forward = (): tf.Tensor => {
    let h = input;
    for (const [up, down] of weights) {
      h = checkpoint(() => tf.add(h, linear(dropout(gelu(linear(h, up!.value())), 0.3, "drop"), down!.value())));
    }
    return tf.mean(tf.square(h));
  };
  const { loss, gradients: found } = inTraining(() => gradients(forward, weights.flat()));
  return { loss, found };
}

const plain = (input: tf.Tensor): ReturnType<typeof step> => step(input);
const checkpointed = (input: tf.Tensor): ReturnType<typeof step> => inCheckpointing(() => step(input));

beforeAll(async () => {
  await useEngine("compiled");
});
afterAll(async () => {
  await useEngine("eager");
});

async function bitsOf(fn: typeof step): Promise<Float32Array[]> {
  const { loss, found } = await compile(fn)(x);
  const data = await Promise.all([loss, ...found].map((tensor) => tensor.data()));
  tf.dispose([loss, ...found]);
  return data as Float32Array[];
}

it("gives the loss and every gradient bit for bit, dropout included", async () => {
  expect(await bitsOf(checkpointed)).toEqual(await bitsOf(plain));
});

it("keeps of each block what leaves it, and of one at a time the inside", () => {
  const graphOf = (fn: typeof step) =>
    simplify(trace([{ shape: x.shape, dtype: "float32" }], ([input]) => [fn(input!).loss, ...fn(input!).found]));
  const [before, after] = [graphOf(plain), graphOf(checkpointed)];
  expect(faultsOf(after)).toEqual([]);
  const products = (graph: typeof before): number => countOf(graph, "PeftLinear");
  expect(products(after)).toBeGreaterThan(products(before));
  const peak = (graph: typeof before): number => Math.max(...aliveBytes(graph));
  // Inside a block are four values of [ROWS, INNER]; what leaves it is INNER / WIDTH times smaller than one of them.
  expect(peak(after)).toBeLessThan(peak(before) / 2);
});

it("is nothing to the eager engine, which keeps every value", async () => {
  await useEngine("eager");
  const [a, b] = [await bitsOf(plain), await bitsOf(checkpointed)];
  await useEngine("compiled");
  expect(b).toEqual(a);
});
