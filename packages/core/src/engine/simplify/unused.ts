// Drops the nodes, constants and inputs that no result depends on.

import { type Graph, type Node, results } from "../graph.js";

export function dropUnused(graph: Graph): Graph {
  const used = new Set(results(graph).map((value) => value.id));
  const nodes: Node[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((output) => used.has(output.id))) continue;
    for (const input of Object.values(node.inputs)) used.add(input.id);
    nodes.push(node);
  }
  return {
    ...graph,
    nodes: nodes.reverse(),
    inputs: graph.inputs.filter((input) => used.has(input.value.id)),
    constants: graph.constants.filter((constant) => used.has(constant.value.id)),
  };
}
