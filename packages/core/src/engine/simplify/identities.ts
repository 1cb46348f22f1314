// Drops nodes that give back their input: identities, casts to the same type, reshapes and slices that change nothing.

import type { Graph, Node, Value } from "../graph.js";
import { mapInputs, rebuild, sameShape } from "./rewrite.js";

const ALWAYS = new Set(["Identity", "Cast"]);
const BY_SHAPE = new Set(["Reshape", "Slice", "ExpandDims"]);

export function dropIdentities(graph: Graph): Graph {
  const same = new Map<number, Value>();
  const resolve = (value: Value): Value => same.get(value.id) ?? value;
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    const mapped = mapInputs(node, resolve);
    const [input] = Object.values(mapped.inputs);
    const [output] = node.outputs;
    if (input && output && changesNothing(node.kernel, input, output)) same.set(output.id, input);
    else nodes.push(mapped);
  }
  return rebuild(graph, nodes, resolve);
}

function changesNothing(kernel: string, input: Value, output: Value): boolean {
  if (input.dtype !== output.dtype) return false;
  if (ALWAYS.has(kernel)) return true;
  return BY_SHAPE.has(kernel) && sameShape(input.shape, output.shape);
}
