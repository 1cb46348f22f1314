// Checkpointed blocks: what the backward pass reads from inside a block is computed again from what entered it, just before
// the first node that reads it. The copies are the same kernels over the same numbers, so gradients keep every bit.

import { type Graph, type Node, readers, results, type Value } from "../graph.js";
import { freshIds, mapInputs, producers } from "./rewrite.js";

export function recomputeBlocks(graph: Graph): Graph {
  if (graph.nodes.every((node) => node.block === undefined)) return graph;
  const fresh = freshIds(graph);
  const made = producers(graph);
  const read = readers(graph);
  const leaving = new Set(results(graph).map((value) => value.id));
  /** Whether the value is of a block's inside: no forward node outside the block reads it. */
  const inside = (value: Value): boolean => {
    const block = made.get(value.id)?.block;
    if (block === undefined || leaving.has(value.id)) return false;
    return (read.get(value.id) ?? []).every((reader) => reader.backward || reader.block === block);
  };
  const copies = new Map<number, Value>();

  /** The value as the backward pass has it; the nodes that make it go into `out`. */
  const again = (value: Value, out: Node[]): Value => {
    const known = copies.get(value.id);
    if (known) return known;
    if (!inside(value)) return value;
    const { block: _, ...node } = made.get(value.id)!;
    const replaced = mapInputs(node, (input) => again(input, out));
    const outputs = node.outputs.map((output) => ({ ...output, id: fresh() }));
    for (const [i, output] of node.outputs.entries()) copies.set(output.id, outputs[i]!);
    out.push({ ...replaced, outputs, backward: true });
    return copies.get(value.id)!;
  };

  const nodes = graph.nodes.flatMap((node) => {
    if (!node.backward) return [node];
    const before: Node[] = [];
    const replaced = mapInputs(node, (value) => again(value, before));
    return [...before, replaced];
  });
  return { ...graph, nodes };
}
