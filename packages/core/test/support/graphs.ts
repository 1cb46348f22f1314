// Graphs in tests: recorded from a function, and run as they are, so that a pass can be compared with what it was given.

import type * as tf from "@tensorflow/tfjs";
import type { CompiledEngine } from "../../src/engine/compiled.js";
import type { Feed, Fetch } from "../../src/engine/device.js";
import { Emitter, emit } from "../../src/engine/emit.js";
import { type Graph, type Node, results, type Spec } from "../../src/engine/graph.js";
import { engineState } from "../../src/engine/state.js";
import { trace } from "../../src/engine/trace.js";
import { hash, unit } from "../../src/random.js";

/** The graph of a function over float32 tensors of these shapes. */
export function graphOf(shapes: readonly (readonly number[])[], fn: (...x: tf.Tensor[]) => tf.Tensor[]): Graph {
  return trace(
    shapes.map((shape): Spec => ({ shape, dtype: "float32" })),
    (x) => fn(...x),
  );
}

/** Numbers in [-1, 1). */
export function numbers(shape: readonly number[], seed: number): Float32Array {
  const length = shape.reduce((product, d) => product * d, 1);
  return Float32Array.from({ length }, (_, i) => 2 * unit(hash(seed, i)) - 1);
}

/** Runs a graph over arguments drawn by their index; parameters enter with their numbers on the host. */
export async function evaluate(graph: Graph): Promise<Float32Array[]> {
  const { device } = engineState().engine as CompiledEngine;
  const { key, model, feeds, results: outputs, assignments } = emit(graph, new Emitter());
  const fed: Record<string, Feed> = {};
  for (const { name, input } of feeds) {
    if (input.kind === "draw") throw new Error("no draws here");
    const data = input.kind === "argument" ? numbers(input.value.shape, input.index) : await input.parameter.read();
    fed[name] = { data, spec: input.value };
  }
  const fetched: Record<string, Fetch> = {};
  const names = [...outputs, ...assignments].map(({ name }) => name);
  for (const name of names) fetched[name] = { to: "host" };
  const host = await device.run(key, model, fed, fetched);
  return names.map((name) => host[name] as Float32Array);
}

export const kernelsOf = (graph: Graph): string[] => graph.nodes.map((node) => node.kernel);

export const countOf = (graph: Graph, kernel: string): number =>
  kernelsOf(graph).filter((name) => name === kernel).length;

/** What is wrong with a graph: values read before they are made, or made twice. */
export function faultsOf(graph: Graph): string[] {
  const there = new Set([...graph.inputs, ...graph.constants].map(({ value }) => value.id));
  const faults: string[] = [];
  const read = (id: number, by: string): void => {
    if (!there.has(id)) faults.push(`${by} reads the value ${id} before it is made`);
  };
  graph.nodes.forEach((node: Node, i) => {
    for (const input of Object.values(node.inputs)) read(input.id, `node ${i} (${node.kernel})`);
    for (const output of node.outputs) {
      if (there.has(output.id)) faults.push(`node ${i} (${node.kernel}) makes the value ${output.id} again`);
      there.add(output.id);
    }
  });
  for (const value of results(graph)) read(value.id, "a result");
  return faults;
}
