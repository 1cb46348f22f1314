// Simplification: graph in, smaller graph out. Each pass is a function that can be tested alone.

import { type Graph, type Node, results, type Value } from "./graph.js";

export function simplify(graph: Graph): Graph {
  return dropUnused(dropIdentities(graph));
}

/** Replaces every use of an Identity's output by its input. */
export function dropIdentities(graph: Graph): Graph {
  const same = new Map<number, Value>();
  const resolve = (value: Value): Value => same.get(value.id) ?? value;
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    const inputs = Object.fromEntries(Object.entries(node.inputs).map(([name, value]) => [name, resolve(value)]));
    if (isIdentity(node, inputs)) same.set(node.outputs[0]!.id, Object.values(inputs)[0]!);
    else nodes.push({ ...node, inputs });
  }
  return {
    ...graph,
    nodes,
    outputs: graph.outputs.map(resolve),
    assignments: graph.assignments.map((assignment) => ({ ...assignment, value: resolve(assignment.value) })),
  };
}

function isIdentity(node: Node, inputs: Node["inputs"]): boolean {
  const [output] = node.outputs;
  const first = Object.values(inputs)[0];
  if (!first || !output || first.dtype !== output.dtype) return false;
  if (node.kernel === "Identity" || node.kernel === "StopGradient" || node.kernel === "Cast") return true;
  const moves = node.kernel === "Reshape" || node.kernel === "Slice" || node.kernel === "ExpandDims";
  return moves && first.shape.length === output.shape.length && first.shape.every((d, i) => d === output.shape[i]);
}

/** Drops the nodes and constants whose outputs nobody reads. Inputs stay: they are the function's signature. */
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
