// Two moves in a row are one: a reshape of a reshape, a transposition of a transposition.

import type { Graph, Node, Value } from "../graph.js";
import { mapInputs, producers, rebuild } from "./rewrite.js";

export function mergeMoves(graph: Graph): Graph {
  const made = producers(graph);
  const same = new Map<number, Value>();
  const resolve = (value: Value): Value => same.get(value.id) ?? value;
  const nodes: Node[] = [];
  for (const original of graph.nodes) {
    let node = mapInputs(original, resolve);
    const { x } = node.inputs;
    const before = x && made.get(x.id);
    if (before?.kernel === node.kernel && before.inputs.x) {
      if (node.kernel === "Reshape") node = { ...node, inputs: { x: before.inputs.x } };
      else if (node.kernel === "Transpose") {
        const first = before.attrs.perm as number[];
        const perm = (node.attrs.perm as number[]).map((axis) => first[axis]!);
        node = { ...node, inputs: { x: before.inputs.x }, attrs: { perm } };
        if (perm.every((axis, i) => axis === i)) same.set(node.outputs[0]!.id, before.inputs.x);
      }
    }
    for (const output of node.outputs) made.set(output.id, node);
    nodes.push(node);
  }
  return rebuild(graph, nodes, resolve);
}
