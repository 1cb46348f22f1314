// What passes share: replacing values by others throughout a graph.

import { type Graph, type Node, sizeOf, type Value } from "../graph.js";

/** The inputs of a node with every value replaced. */
export function mapInputs(node: Node, map: (value: Value) => Value): Node {
  return { ...node, inputs: Object.fromEntries(Object.entries(node.inputs).map(([name, v]) => [name, map(v)])) };
}

/** A graph of other nodes, whose results are the old ones replaced. */
export function rebuild(graph: Graph, nodes: readonly Node[], map: (value: Value) => Value): Graph {
  return {
    ...graph,
    nodes,
    outputs: graph.outputs.map(map),
    assignments: graph.assignments.map((assignment) => ({ ...assignment, value: map(assignment.value) })),
  };
}

/** Gives new values numbers that the graph does not use yet. */
export function freshIds(graph: Graph): () => number {
  let next = 0;
  const see = (value: Value): void => {
    next = Math.max(next, value.id + 1);
  };
  for (const input of graph.inputs) see(input.value);
  for (const constant of graph.constants) see(constant.value);
  for (const node of graph.nodes) node.outputs.forEach(see);
  return () => next++;
}

/** The node that makes each value. */
export function producers(graph: Graph): Map<number, Node> {
  const map = new Map<number, Node>();
  for (const node of graph.nodes) for (const output of node.outputs) map.set(output.id, node);
  return map;
}

export function bytesOf({ dtype, shape }: Value): number {
  return (dtype === "bool" ? 1 : 4) * sizeOf(shape);
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dimension, i) => dimension === b[i]);
}
