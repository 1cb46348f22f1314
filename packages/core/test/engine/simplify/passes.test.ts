// Each pass on small graphs: what it changes, and that the results stay.

import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Graph } from "../../../src/engine/graph.js";
import { dropIdentities } from "../../../src/engine/simplify/identities.js";
import { mergeMoves } from "../../../src/engine/simplify/moves.js";
import { recomputeCheap } from "../../../src/engine/simplify/recompute.js";
import { absorbSums } from "../../../src/engine/simplify/sums.js";
import { dropUnused } from "../../../src/engine/simplify/unused.js";
import { gelu, gradients, linear, Parameter, useEngine } from "../../../src/index.js";
import { relativeError } from "../../../src/testing/index.js";
import { countOf, evaluate, faultsOf, graphOf, kernelsOf, numbers } from "../../support/graphs.js";

beforeAll(async () => {
  await useEngine("compiled");
});
afterAll(async () => {
  await useEngine("eager");
});

/** Runs a pass, checks that the graph is whole and its results are what they were, and returns it. */
async function keepsResults(graph: Graph, pass: (graph: Graph) => Graph, bound = 0): Promise<Graph> {
  const after = pass(graph);
  expect(faultsOf(after)).toEqual([]);
  const [expected, actual] = [await evaluate(graph), await evaluate(after)];
  for (const [i, reference] of expected.entries()) {
    expect(relativeError(actual[i]!, reference), `result ${i}`).toBeLessThanOrEqual(bound);
  }
  return after;
}

describe("dropIdentities", () => {
  it("drops clones, casts, reshapes and slices that change nothing, also in a row and at the end", async () => {
    const graph = graphOf([[2, 3]], (x) => {
      const same = tf.slice(tf.reshape(tf.cast(tf.clone(x!), "float32"), [2, 3]), [0, 0], [2, 3]);
      return [tf.clone(tf.neg(same)), same];
    });
    expect(kernelsOf(await keepsResults(graph, dropIdentities))).toEqual(["Neg"]);
  });

  it("keeps those that change something", async () => {
    const graph = graphOf([[2, 3]], (x) => [
      tf.reshape(x!, [3, 2]),
      tf.slice(x!, [0, 0], [1, 3]),
      tf.cast(tf.cast(x!, "int32"), "float32"),
    ]);
    expect((await keepsResults(graph, dropIdentities)).nodes).toHaveLength(graph.nodes.length);
  });
});

describe("mergeMoves", () => {
  const merge = (graph: Graph): Graph => dropUnused(mergeMoves(graph));

  it("makes reshapes in a row one, and none where they lead back", async () => {
    const graph = graphOf([[2, 6]], (x) => [tf.neg(tf.reshape(tf.reshape(x!, [3, 4]), [12]))]);
    expect(kernelsOf(await keepsResults(graph, merge))).toEqual(["Reshape", "Neg"]);
    const back = graphOf([[2, 6]], (x) => [tf.neg(tf.reshape(tf.reshape(x!, [3, 4]), [2, 6]))]);
    expect(kernelsOf(await keepsResults(back, (g) => dropUnused(dropIdentities(mergeMoves(g)))))).toEqual(["Neg"]);
  });

  it("makes transpositions in a row one, and none where they lead back", async () => {
    const graph = graphOf([[2, 3, 4]], (x) => [tf.transpose(tf.transpose(x!, [1, 2, 0]), [2, 0, 1])]);
    expect(kernelsOf(await keepsResults(graph, merge))).toEqual([]);
    const turned = graphOf([[2, 3, 4]], (x) => [tf.transpose(tf.transpose(x!, [1, 2, 0]), [0, 2, 1])]);
    const after = await keepsResults(turned, merge);
    expect(after.nodes.map(({ kernel, attrs }) => [kernel, attrs.perm])).toEqual([["Transpose", [1, 0, 2]]]);
  });

  it("keeps the first where somebody else reads it", async () => {
    const graph = graphOf([[2, 6]], (x) => {
      const first = tf.reshape(x!, [3, 4]);
      return [tf.reshape(first, [12]), tf.neg(first)];
    });
    expect(countOf(await keepsResults(graph, merge), "Reshape")).toBe(2);
  });
});

describe("dropUnused", () => {
  it("drops nodes, constants and inputs that no result needs, and keeps what an assignment needs", async () => {
    const [used, unused] = [1, 2].map((n) => new Parameter([2], Float32Array.of(n, n)));
    const graph = graphOf([[2], [2]], (x, y) => {
      tf.add(tf.mul(y!, unused!.value()), 5);
      used!.assign(tf.add(used!.value(), 1));
      return [tf.neg(x!)];
    });
    const after = await keepsResults(graph, dropUnused);
    expect(kernelsOf(after)).toEqual(["Add", "Neg"]);
    expect(after.inputs.map((input) => input.kind)).toEqual(["argument", "parameter"]);
    expect(after.constants).toHaveLength(1);
  });
});

describe("absorbSums", () => {
  const weight = (shape: number[], seed = 9): Parameter => new Parameter(shape, numbers(shape, seed));
  const [w1, w2] = [weight([4, 3], 1), weight([4, 3], 2)];
  const bias = weight([4], 3);
  const absorb = (graph: Graph): Graph => dropUnused(absorbSums(graph));

  it("adds a tensor inside the product that makes the other summand", async () => {
    const graph = graphOf(
      [
        [2, 5, 3],
        [2, 5, 4],
      ],
      (x, r) => [tf.add(linear(x!, w1.value()), r!)],
    );
    expect(kernelsOf(await keepsResults(graph, absorb, 1e-6))).toEqual(["PeftLinear"]);
  });

  it("lets the later of two products take the earlier one", async () => {
    const graph = graphOf([[5, 3]], (x) => [tf.add(linear(x!, w1.value()), linear(x!, w2.value()))]);
    expect(kernelsOf(await keepsResults(graph, absorb, 1e-6))).toEqual(["PeftLinear", "PeftLinear"]);
  });

  it("leaves a product alone that has a bias, is read twice, leaves the graph, or is broadcast", async () => {
    const cases: ((x: tf.Tensor, r: tf.Tensor) => tf.Tensor[])[] = [
      (x, r) => [tf.add(linear(x, w1.value(), bias.value()), r)],
      (x, r) => {
        const product = linear(x, w1.value());
        return [tf.add(product, r), tf.neg(product)];
      },
      (x, r) => {
        const product = linear(x, w1.value());
        return [tf.add(product, r), product];
      },
      (x) => [tf.add(linear(x, w1.value()), bias.value())],
      (x) => {
        const product = linear(x, w1.value());
        return [tf.add(product, product)];
      },
    ];
    for (const [i, fn] of cases.entries()) {
      const after = await keepsResults(
        graphOf(
          [
            [5, 3],
            [5, 4],
          ],
          (x, r) => fn(x!, r!),
        ),
        absorb,
      );
      expect(countOf(after, "Add"), `case ${i}`).toBe(1);
    }
  });

  it("sums up the gradients of a shared input and of a shared weight", async () => {
    const first = weight([3, 3], 5);
    const graph = graphOf([[5, 3]], (x) => {
      const result = gradients(() => {
        const h = linear(x!, first.value());
        const both = tf.add(linear(h, w1.value()), linear(gelu(h), w1.value()));
        return tf.sum(tf.square(both));
      }, [first, w1]);
      return [result.loss, ...result.gradients];
    });
    const after = await keepsResults(graph, (g) => absorb(mergeMoves(dropIdentities(g))), 1e-5);
    expect(countOf(after, "AddN") + countOf(after, "Add")).toBeLessThan(countOf(graph, "AddN") + countOf(graph, "Add"));
  });
});

describe("recomputeCheap", () => {
  /** A wide activation that is read at once and again much later. */
  const wide = (apart: number): Graph =>
    graphOf([[256, 512]], (x) => {
      const activated = gelu(tf.mul(x!, 2));
      let later: tf.Tensor = tf.sum(tf.square(activated));
      for (let i = 0; i < apart; i++) later = tf.add(later, 1);
      return [tf.sum(tf.mul(activated, later))];
    });

  it("computes an activation again for a reader far away", async () => {
    const after = await keepsResults(wide(150), recomputeCheap);
    expect(countOf(after, "PeftGelu")).toBe(2);
    const last = kernelsOf(after).lastIndexOf("PeftGelu");
    expect(after.nodes.length - last).toBeLessThan(5);
  });

  it("keeps it for a reader nearby", async () => {
    const after = await keepsResults(wide(20), recomputeCheap);
    expect(countOf(after, "PeftGelu")).toBe(1);
  });

  it("makes one copy for readers near one another", async () => {
    const graph = graphOf([[256, 512]], (x) => {
      const activated = gelu(x!);
      let later: tf.Tensor = tf.sum(activated);
      for (let i = 0; i < 150; i++) later = tf.add(later, 1);
      return [tf.sum(tf.mul(activated, later)), tf.max(tf.mul(activated, later))];
    });
    expect(countOf(await keepsResults(graph, recomputeCheap), "PeftGelu")).toBe(2);
  });

  it("leaves a value alone that leaves the graph anyway", async () => {
    const graph = graphOf([[256, 512]], (x) => {
      const activated = gelu(x!);
      let later: tf.Tensor = tf.sum(activated);
      for (let i = 0; i < 150; i++) later = tf.add(later, 1);
      return [tf.mul(activated, later), activated];
    });
    expect(countOf(await keepsResults(graph, recomputeCheap), "PeftGelu")).toBe(1);
  });
});
