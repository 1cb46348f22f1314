// Lanes: computed a few samples at a time, graphs give what they gave, also where the last lane is shorter.

import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Graph, Node } from "../../../src/engine/graph.js";
import { simplify } from "../../../src/engine/simplify/index.js";
import { splitRows } from "../../../src/engine/simplify/lanes.js";
import { inOrder, type LaneNode } from "../../../src/engine/simplify/order.js";
import {
  attention,
  conv2d,
  gelu,
  gradients,
  layerNorm,
  linear,
  Parameter,
  relu,
  silu,
  useEngine,
} from "../../../src/index.js";
import { largest, relativeError } from "../../../src/testing/index.js";
import { countOf, evaluate, faultsOf, graphOf, numbers } from "../../support/graphs.js";

beforeAll(async () => {
  await useEngine("compiled");
});
afterAll(async () => {
  await useEngine("eager");
});

const parameter = (shape: number[], seed: number): Parameter => new Parameter(shape, numbers(shape, seed));

async function expectSame(graph: Graph, after: Graph): Promise<void> {
  expect(faultsOf(after)).toEqual([]);
  const [expected, actual] = [await evaluate(graph), await evaluate(after)];
  for (const [i, reference] of expected.entries()) {
    expect(relativeError(actual[i]!, reference), `result ${i}`).toBeLessThanOrEqual(1e-5);
  }
}

/** Rows of the nodes of a kernel, in the order in which they run. */
const rowsOf = (graph: Graph, kernel: string): number[] =>
  graph.nodes.filter((node) => node.kernel === kernel).map((node) => node.outputs[0]!.shape[0]!);

describe("a feed-forward layer in lanes", () => {
  const [up, down] = [parameter([64, 8], 11), parameter([8, 64], 12)];
  const ROW = 4 * 6 * 64;
  const forward = (x: tf.Tensor): tf.Tensor => linear(gelu(linear(x, up.value())), down.value());
  const graph = (batch: number): Graph => graphOf([[batch, 6, 8]], (x) => [forward(x!)]);

  it("is cut into lanes of as many samples as fit, the last with the rest", async () => {
    const before = graph(5);
    const after = splitRows(before, 2 * ROW);
    expect(rowsOf(after, "PeftGelu")).toEqual([2, 2, 1]);
    expect(countOf(after, "Concat")).toBe(1);
    await expectSame(before, after);
  });

  it("goes through one lane as far as it can before the next begins", () => {
    const kernels = splitRows(graph(4), 2 * ROW).nodes.map((node) => node.kernel);
    const lane = ["PeftLinear", "PeftGelu", "PeftLinear"];
    expect(kernels.filter((kernel) => kernel.startsWith("Peft"))).toEqual([...lane, ...lane]);
  });

  it("stays whole where it fits, or where a sample alone does not", async () => {
    const before = graph(4);
    expect(splitRows(before, 4 * ROW)).toBe(before);
    expect(splitRows(before)).toBe(before);
    const single = graph(1);
    expect(splitRows(single, 16)).toBe(single);
    const tight = splitRows(before, ROW / 2);
    expect(rowsOf(tight, "PeftGelu")).toEqual([1, 1, 1, 1]);
    await expectSame(before, tight);
  });

  it("has its gradients, sums over lanes", async () => {
    const before = graphOf([[5, 6, 8]], (x) => {
      const { loss, gradients: found } = gradients(() => tf.sum(tf.square(forward(x!))), [up, down]);
      return [loss, ...found];
    });
    const after = splitRows(before, 2 * ROW);
    expect(countOf(after, "PeftLinearWeightGradient")).toBeGreaterThan(2);
    await expectSame(before, after);
  });

  it("updates its parameters alike", async () => {
    const before = graphOf([[5, 6, 8]], (x) => {
      const { loss, gradients: found } = gradients(() => tf.sum(tf.square(forward(x!))), [up]);
      up.assign(tf.sub(up.value(), tf.mul(found[0]!, 0.01)));
      return [loss];
    });
    await expectSame(before, splitRows(before, 2 * ROW));
  });
});

describe("other layers in lanes", () => {
  it("attention with a mask of its own for each sample", async () => {
    const [q, k, v] = [1, 2, 3].map((seed) => parameter([8, 8], 20 + seed));
    const before = graphOf(
      [
        [5, 7, 8],
        [5, 1, 1, 7],
      ],
      (x, mask) => {
        const project = (p: Parameter): tf.Tensor => linear(x!, p.value());
        const { loss, gradients: found } = gradients(
          () => tf.sum(tf.square(attention(project(q!), project(k!), project(v!), { heads: 2, mask: mask! }))),
          [q!, k!, v!],
        );
        return [loss, ...found];
      },
    );
    const after = splitRows(before, 2 * 4 * 2 * 7 * 7);
    expect(rowsOf(after, "PeftAttentionMasked")).toEqual([2, 2, 1]);
    await expectSame(before, after);
  });

  it("convolution", async () => {
    const [w, b] = [parameter([6, 3, 3, 3], 31), parameter([6], 32)];
    const before = graphOf([[5, 3, 8, 8]], (x) => {
      const { loss, gradients: found } = gradients(
        () => tf.sum(tf.square(silu(conv2d(x!, w.value(), b.value(), { padding: 1 })))),
        [w, b],
      );
      return [loss, ...found];
    });
    const after = splitRows(before, 2 * 4 * 6 * 64);
    expect(rowsOf(after, "PeftConv2d")).toEqual([2, 2, 1]);
    await expectSame(before, after);
  });

  it("a tensor that is broadcast over the samples stays whole", async () => {
    const before = graphOf([[4, 8], [1, 8], [8], [4, 1]], (x, one, row, column) => [
      tf.mul(tf.add(tf.add(gelu(x!), one!), row!), column!),
    ]);
    await expectSame(before, splitRows(before, 40));
  });

  it("a result that lanes also read stays what it is", async () => {
    const before = graphOf([[4, 6, 8]], (x) => {
      const row = tf.reshape(x!, [4, 48]);
      return [row, tf.square(tf.square(row))];
    });
    const after = splitRows(before, 2 * 4 * 48);
    expect(rowsOf(after, "Square")).toEqual([2, 2, 2, 2]);
    await expectSame(before, after);
  });

  it("what is in lanes by its own first axis is whole where it is broadcast", async () => {
    // As many channels as samples: a factor for each channel has a first axis as long as the batch.
    const before = graphOf(
      [
        [4, 4, 6],
        [4, 1],
      ],
      (x, factor) => {
        return [tf.square(tf.mul(tf.square(x!), tf.square(factor!)))];
      },
    );
    await expectSame(before, splitRows(before, 4));
  });

  it("what is large over few other rows, such as two passes, does not keep the samples from being cut", async () => {
    const [up, down, pass] = [parameter([16, 8], 51), parameter([8, 16], 52), parameter([2, 8, 8], 53)];
    const before = graphOf([[6, 4, 8]], (x) => {
      const passes = tf.square(tf.matMul(tf.reshape(x!, [2, 12, 8]), pass.value()));
      const h = tf.add(x!, tf.reshape(passes, [6, 4, 8]));
      return [linear(gelu(linear(h, up.value())), down.value())];
    });
    const after = splitRows(before, 300);
    expect(rowsOf(after, "PeftGelu")).toEqual([1, 1, 1, 1, 1, 1]);
    await expectSame(before, after);
  });

  it("updates of a weight, however large, do not keep the samples from being cut", async () => {
    const [up, table] = [parameter([64, 8], 54), parameter([500, 8], 55)];
    const before = graphOf([[6, 4, 8]], (x) => {
      for (let i = 0; i < 3; i++) table.assign(tf.sub(table.value(), tf.square(table.value())));
      return [tf.mean(gelu(linear(x!, up.value())))];
    });
    expect(rowsOf(splitRows(before, 2 * 4 * 4 * 64), "PeftGelu")).toEqual([2, 2, 2]);
  });

  it("a batch that another axis happens to equal is not cut there", async () => {
    const before = graphOf([[4, 4]], (x) => {
      const wide = tf.mul(x!, 2);
      return [tf.add(tf.transpose(gelu(wide)), tf.sum(wide, 0)), tf.reverse(gelu(wide), 0), tf.cumsum(gelu(wide), 0)];
    });
    await expectSame(before, splitRows(before, 20));
  });
});

type Step =
  | "linear"
  | "gelu"
  | "relu"
  | "layerNorm"
  | "add"
  | "square"
  | "turn"
  | "flatten"
  | "softmax"
  | "centre"
  | "pool";
const STEPS: Step[] = [
  "linear",
  "gelu",
  "relu",
  "layerNorm",
  "add",
  "square",
  "turn",
  "flatten",
  "softmax",
  "centre",
  "pool",
];

describe("any network", () => {
  it("gives the same outputs and gradients after all passes, whatever the size of a lane", async () => {
    const program = fc.record({
      batch: fc.integer({ min: 2, max: 6 }),
      steps: fc.array(fc.constantFrom(...STEPS), { minLength: 2, maxLength: 8 }),
      laneBytes: fc.integer({ min: 16, max: 600 }),
    });
    let cut = 0;
    await fc.assert(
      fc.asyncProperty(program, async ({ batch, steps, laneBytes }) => {
        const weights = steps.map((_, i) => parameter([6, 6], 40 + i));
        const [scale, shift] = [parameter([6], 60), parameter([6], 61)];
        const graph = graphOf([[batch, 3, 6]], (x) => {
          const network = (): tf.Tensor => {
            const seen: tf.Tensor[] = [x!];
            for (const [i, step] of steps.entries()) {
              const h = seen.at(-1)!;
              const apply: Record<Step, () => tf.Tensor> = {
                linear: () => linear(h, weights[i]!.value()),
                gelu: () => gelu(h),
                relu: () => relu(tf.add(h, 0.3)),
                layerNorm: () => layerNorm(h, scale.value(), shift.value(), 1e-2),
                add: () => tf.add(h, seen[Math.floor(seen.length / 2)]!),
                square: () => tf.mul(h, h),
                turn: () => tf.transpose(tf.transpose(h, [1, 0, 2]), [1, 0, 2]),
                flatten: () => tf.reshape(tf.reshape(h, [batch * 3, 6]), [batch, 3, 6]),
                softmax: () => tf.softmax(h),
                centre: () => tf.sub(h, tf.mean(h, 0, true)),
                pool: () => tf.add(h, tf.mean(h, 1, true)),
              };
              seen.push(apply[step]());
            }
            return seen.at(-1)!;
          };
          const { loss, gradients: found } = gradients(() => tf.mean(tf.square(network())), [...weights, scale, shift]);
          return [loss, ...found, network()];
        });
        const plain = simplify(graph);
        expect(faultsOf(plain)).toEqual([]);
        const lanes = splitRows(plain, laneBytes);
        if (lanes !== plain) cut++;
        expect(faultsOf(lanes)).toEqual([]);
        const [expected, first, second] = [await evaluate(graph), await evaluate(plain), await evaluate(lanes)];
        // A gradient may be zero in exact arithmetic, such as a shift's that is centred away, and is rounding then.
        const floor = Math.max(...expected.map(largest)) / 100;
        for (const [i, reference] of expected.entries()) {
          expect(relativeError(first[i]!, reference, floor), `simplified, ${i}`).toBeLessThanOrEqual(1e-5);
          expect(relativeError(second[i]!, reference, floor), `in lanes, ${i}`).toBeLessThanOrEqual(1e-5);
        }
      }),
      { numRuns: 40, seed: 3 },
    );
    expect(cut).toBeGreaterThan(20);
  });
});

describe("inOrder", () => {
  const value = (id: number) => ({ id, shape: [1], dtype: "float32" as const });
  const entry = (index: number, lane: number | undefined, output: number, ...inputs: number[]): LaneNode => ({
    index,
    lane,
    node: {
      kernel: `${index}${lane === undefined ? "" : `.${lane}`}`,
      inputs: Object.fromEntries(inputs.map((id) => [String(id), value(id)])),
      attrs: {},
      outputs: [value(output)],
      scope: "",
    },
  });
  const empty: Graph = { inputs: [], constants: [], nodes: [], outputs: [], assignments: [] };
  const namesOf = (nodes: readonly Node[]): string[] => nodes.map((node) => node.kernel);

  it("keeps the order in which nodes were recorded", () => {
    const nodes = [entry(0, undefined, 10), entry(1, undefined, 11), entry(2, undefined, 12, 10)];
    expect(namesOf(inOrder(nodes, empty))).toEqual(["0", "1", "2"]);
  });

  it("finishes a lane before it begins the next", () => {
    const nodes = [0, 1].flatMap((lane) => [entry(0, lane, 10 + lane), entry(1, lane, 20 + lane, 10 + lane)]);
    nodes.push(entry(2, undefined, 30, 20, 21));
    expect(namesOf(inOrder(nodes, empty))).toEqual(["0.0", "1.0", "0.1", "1.1", "2"]);
  });

  it("refuses a circle", () => {
    expect(() => inOrder([entry(0, undefined, 1, 2), entry(1, undefined, 2, 1)], empty)).toThrow(/circle/);
  });
});
