// The graph: what a traced function becomes. Values are numbered, nodes stand in the order in which they were recorded,
// and a node holds the name of its kernel, which `kernel.ts` knows how to type and how to write as ONNX.

import type { DrawRequest } from "./draw.js";
import type { Parameter } from "./parameter.js";

/** Element types inside a graph: those of TensorFlow.js. */
export type DType = "float32" | "int32" | "bool";

export interface Spec {
  readonly shape: readonly number[];
  readonly dtype: DType;
}

export interface Value extends Spec {
  readonly id: number;
}

export type Attrs = Readonly<Record<string, unknown>>;

export interface Node {
  readonly kernel: string;
  /** Named as TensorFlow.js names a kernel's inputs; an absent optional input is absent. */
  readonly inputs: Readonly<Record<string, Value>>;
  readonly attrs: Attrs;
  readonly outputs: readonly Value[];
  /** Module path of the last parameter read before the node was recorded: where in the model it is. */
  readonly scope: string;
  /** The checkpointed block whose forward pass the node is part of. */
  readonly block?: number;
  /** Recorded while differentiating. */
  readonly backward?: true;
}

/** Numbers known while tracing: literals, and tensors that the function captured. */
export interface Constant {
  readonly value: Value;
  readonly data: Float32Array | Int32Array | Uint8Array;
}

/** Where an input's numbers come from at each call. */
export type GraphInput = { readonly value: Value } & (
  | { readonly kind: "argument"; readonly index: number }
  | { readonly kind: "parameter"; readonly parameter: Parameter }
  | { readonly kind: "draw"; readonly draw: DrawRequest }
);

/** A parameter's new numbers. */
export interface Assignment {
  readonly parameter: Parameter;
  readonly value: Value;
}

export interface Graph {
  readonly inputs: readonly GraphInput[];
  readonly constants: readonly Constant[];
  readonly nodes: readonly Node[];
  readonly outputs: readonly Value[];
  readonly assignments: readonly Assignment[];
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

/** Every value that leaves the graph. */
export function results(graph: Graph): Value[] {
  return [...graph.outputs, ...graph.assignments.map((assignment) => assignment.value)];
}

/** For each value's id, the nodes that read it. */
export function readers(graph: Graph): Map<number, Node[]> {
  const map = new Map<number, Node[]>();
  for (const node of graph.nodes) {
    for (const input of new Set(Object.values(node.inputs))) {
      const list = map.get(input.id);
      if (list) list.push(node);
      else map.set(input.id, [node]);
    }
  }
  return map;
}
