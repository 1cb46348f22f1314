// Which parameters may be overwritten while the graph runs: on graphs made by hand, and in what training steps give.

import * as tf from "@tensorflow/tfjs";
import { afterAll, describe, expect, it } from "vitest";
import type { Graph, GraphInput, Node, Value } from "../../src/engine/graph.js";
import { inPlaceUpdates } from "../../src/engine/inPlace.js";
import {
  compile,
  gradients,
  layerNorm,
  linear,
  Parameter,
  relu,
  softmaxCrossEntropy,
  useEngine,
} from "../../src/index.js";
import { hash, unit } from "../../src/random.js";
import { relativeError } from "../../src/testing/index.js";

/** A graph by hand: every value is float32 [4]. */
class Sketch {
  readonly inputs: GraphInput[] = [];
  readonly nodes: Node[] = [];
  #next = 0;

  #value(): Value {
    return { id: this.#next++, shape: [4], dtype: "float32" };
  }

  parameter(): { parameter: Parameter; old: Value } {
    const parameter = new Parameter([4], new Float32Array(4));
    const old = this.#value();
    this.inputs.push({ kind: "parameter", parameter, value: old });
    return { parameter, old };
  }

  argument(): Value {
    const value = this.#value();
    this.inputs.push({ kind: "argument", index: this.inputs.length, value });
    return value;
  }

  node(kernel: string, ...inputs: Value[]): Value {
    const output = this.#value();
    const named = Object.fromEntries(inputs.map((input, i) => ["abc"[i]!, input]));
    this.nodes.push({ kernel, inputs: named, attrs: {}, outputs: [output], scope: "" });
    return output;
  }

  graph(assignments: [Parameter, Value][], outputs: Value[] = []): Graph {
    const list = assignments.map(([parameter, value]) => ({ parameter, value }));
    return { inputs: this.inputs, constants: [], nodes: this.nodes, outputs, assignments: list };
  }
}

describe("an update in place", () => {
  it("is safe where the update alone reads the old numbers, element by element", () => {
    const s = new Sketch();
    const { parameter, old } = s.parameter();
    expect(inPlaceUpdates(s.graph([[parameter, s.node("Sub", old, s.argument())]]))).toEqual(new Set([parameter]));
  });

  it("is not where the update's own kernel reads them in another order", () => {
    const s = new Sketch();
    const { parameter, old } = s.parameter();
    expect(inPlaceUpdates(s.graph([[parameter, s.node("Reverse", old)]])).size).toBe(0);
  });

  it("is safe where every other reader comes before it", () => {
    const s = new Sketch();
    const { parameter, old } = s.parameter();
    const gradient = s.node("Multiply", old, s.argument());
    expect(inPlaceUpdates(s.graph([[parameter, s.node("Sub", old, gradient)]])).size).toBe(1);
  });

  it("is not where another reader may run later", () => {
    const s = new Sketch();
    const { parameter, old } = s.parameter();
    const update = s.node("Sub", old, s.argument());
    const metric = s.node("Sum", old);
    expect(inPlaceUpdates(s.graph([[parameter, update]], [metric])).size).toBe(0);
  });

  it("is not where the old numbers leave the graph", () => {
    const s = new Sketch();
    const { parameter, old } = s.parameter();
    expect(inPlaceUpdates(s.graph([[parameter, s.node("Sub", old, s.argument())]], [old])).size).toBe(0);
  });

  it("is not where the new numbers are another parameter's old ones", () => {
    const s = new Sketch();
    const [a, b] = [s.parameter(), s.parameter()];
    expect(
      inPlaceUpdates(
        s.graph([
          [a.parameter, b.old],
          [b.parameter, a.old],
        ]),
      ).size,
    ).toBe(0);
  });

  it("is safe for all parameters whose updates depend on the norm of all gradients, and only for those", () => {
    const s = new Sketch();
    const [a, b, c] = [s.parameter(), s.parameter(), s.parameter()];
    const hidden = s.node("PeftLinear", s.argument(), a.old);
    const loss = s.node("PeftLinear", hidden, b.old);
    const [gradientA, gradientB] = [s.node("Multiply", loss, b.old), s.node("Multiply", loss, hidden)];
    const norm = s.node("Add", gradientA, gradientB);
    const updates = [
      s.node("Sub", a.old, s.node("Multiply", gradientA, norm)),
      s.node("Sub", b.old, s.node("Multiply", gradientB, norm)),
    ];
    // c is read by the forward pass of a branch that the norm does not know.
    const branch = s.node("Multiply", c.old, hidden);
    const updateC = s.node("Sub", c.old, norm);
    const graph = s.graph(
      [
        [a.parameter, updates[0]!],
        [b.parameter, updates[1]!],
        [c.parameter, updateC],
      ],
      [branch],
    );
    expect(inPlaceUpdates(graph)).toEqual(new Set([a.parameter, b.parameter]));
  });

  it("is not where one gradient's update does not wait for the other's reader", () => {
    const s = new Sketch();
    const [a, b] = [s.parameter(), s.parameter()];
    const loss = s.node("Multiply", a.old, b.old);
    const [gradientA, gradientB] = [s.node("Multiply", loss, b.old), s.node("Multiply", loss, a.old)];
    const graph = s.graph([
      [a.parameter, s.node("Sub", a.old, gradientA)],
      [b.parameter, s.node("Sub", b.old, gradientB)],
    ]);
    expect(inPlaceUpdates(graph).size).toBe(0);
  });

  it.each([true, false])(
    "waits for what reads the old numbers through a reshape, which shares them (metric: %s)",
    (metric) => {
      const s = new Sketch();
      const { parameter, old } = s.parameter();
      const shared = s.node("Reshape", old);
      const update = s.node("Sub", old, s.node("Sum", shared));
      const graph = s.graph([[parameter, update]], metric ? [s.node("Sum", shared)] : []);
      expect(inPlaceUpdates(graph).size).toBe(metric ? 0 : 1);
    },
  );
});

describe("training steps that update in place", () => {
  afterAll(async () => {
    await useEngine("eager");
  });

  const numbers = (shape: number[], seed: number): Float32Array =>
    Float32Array.from({ length: shape.reduce((p, d) => p * d, 1) }, (_, i) => unit(hash(seed, i)) - 0.5);

  const SHAPES = { w1: [16, 8], b1: [16], norm: [16], shift: [16], w2: [3, 16], b2: [3] } as const;

  /** Parameters after some steps of gradient descent with momentum, the gradients scaled by their norm where `clipped`. */
  async function train(clipped: boolean): Promise<Map<string, Float32Array>> {
    const p = Object.fromEntries(
      Object.entries(SHAPES).map(([name, shape], i) => [name, new Parameter(shape, numbers([...shape], i), { name })]),
    ) as Record<keyof typeof SHAPES, Parameter>;
    const all = Object.values(p);
    const moments = all.map((parameter) => Parameter.zeros(parameter.shape, { name: `moment.${parameter.name}` }));
    const step = compile((x, labels) => {
      const { loss, gradients: found } = gradients(() => {
        const hidden = relu(linear(x!, p.w1.value(), p.b1.value()));
        const normal = layerNorm(hidden, p.norm.value(), p.shift.value(), 1e-5);
        return softmaxCrossEntropy(linear(normal, p.w2.value(), p.b2.value()), labels!);
      }, all);
      const norm = tf.sqrt(tf.addN(found.map((gradient) => tf.sum(tf.square(gradient)))));
      const scaled = clipped ? found.map((gradient) => tf.div(gradient, tf.add(norm, 1e-6))) : found;
      for (const [i, parameter] of all.entries()) {
        moments[i]!.assign(tf.add(tf.mul(moments[i]!.value(), 0.9), scaled[i]!));
        parameter.assign(tf.sub(parameter.value(), tf.mul(moments[i]!.value(), 0.1)));
      }
      return loss;
    });
    for (let i = 0; i < 5; i++) {
      const x = { data: numbers([12, 8], 100 + i), shape: [12, 8], dtype: "float32" } as const;
      const labels = Int32Array.from({ length: 12 }, (_, row) => hash(i, row) % 3);
      tf.dispose(await step(x, { data: labels, shape: [12], dtype: "int32" }));
    }
    return new Map(
      await Promise.all([...all, ...moments].map(async (q) => [q.name, (await q.read()) as Float32Array] as const)),
    );
  }

  it.each([true, false])("end at the eager engine's parameters after five steps (clipped: %s)", async (clipped) => {
    await useEngine("eager");
    const expected = await train(clipped);
    await useEngine("compiled");
    const actual = await train(clipped);
    for (const [name, reference] of expected) {
      expect(relativeError(actual.get(name)!, reference), name).toBeLessThanOrEqual(1e-5);
    }
  });

  it("show what is read beside the update the old numbers", async () => {
    await useEngine("compiled");
    const n = 1 << 16;
    const p = new Parameter([n], new Float32Array(n).fill(1));
    const step = compile(() => {
      const shared = tf.reshape(p.value(), [n / 16, 16]);
      const loss = tf.mean(tf.square(shared));
      // A long way to go for the metric, so that it would run last if it could.
      let metric = shared;
      for (let i = 0; i < 20; i++) metric = tf.mul(metric, 1);
      p.assign(tf.add(p.value(), loss));
      return { metric: tf.mean(metric), loss };
    });
    let value = 1;
    for (let i = 0; i < 3; i++) {
      const { metric, loss } = await step();
      expect([(await metric.data())[0], (await loss.data())[0]]).toEqual([value, value ** 2]);
      value += value ** 2;
    }
  });
});
