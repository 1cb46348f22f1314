// Graphs of tens of thousands of operations are made in a time that grows with their size and no faster.

import type * as tf from "@tensorflow/tfjs";
import { beforeAll, expect, it } from "vitest";
import { Emitter, emit } from "../../src/engine/emit.js";
import { graphsOf } from "../../src/engine/graphsOf.js";
import { useEngine } from "../../src/index.js";
import { Blocks } from "./blocks.js";

const NODES = 40_000;

beforeAll(async () => {
  await useEngine("compiled", { threads: 1 });
});

/** Nodes and milliseconds of a training step's graph: traced, simplified, written. */
function build(depth: number): { nodes: number; milliseconds: number } {
  const blocks = new Blocks({ depth, width: 2, rate: 0.1 });
  const start = performance.now();
  const { traced, simplified } = graphsOf((x: tf.Tensor) => blocks.step(x), [{ shape: [2, 2], dtype: "float32" }]);
  emit(simplified, new Emitter());
  return { nodes: traced.nodes.length, milliseconds: performance.now() - start };
}

it("an operation of a graph of more than 40,000 takes at most three times what one of a graph eight times smaller takes", () => {
  // The first builds run before the code is compiled. Quadratic work would take eight times as long.
  for (let i = 0; i < 3; i++) build(100);
  const small = build(200);
  const large = build(1600);
  expect(large.nodes).toBeGreaterThan(NODES);
  expect(large.milliseconds / large.nodes).toBeLessThan((3 * small.milliseconds) / small.nodes);
});
