// How much memory a graph's values take while it runs: each is there from the node that makes it to the last one that reads it.

import { type Graph, type Node, readers, results, type Value } from "./graph.js";
import { findKernel } from "./kernel.js";
import { bytesOf } from "./simplify/rewrite.js";

/** Kernels whose output is their operand seen in another shape. */
const VIEWS = new Set(["Reshape", "ExpandDims", "Identity"]);
/** Kernels that write over an operand of the output's size that nobody reads after them. */
const OVERWRITE = new Set([
  "Add",
  "Sub",
  "Multiply",
  "RealDiv",
  "AddN",
  "Relu",
  "Sigmoid",
  "Tanh",
  "Exp",
  "Sqrt",
  "Square",
]);

/** Bytes at each node of what is alive while it runs, without the graph's inputs and constants. */
export function aliveBytes(graph: Graph): number[] {
  const read = readers(graph);
  const position = new Map(graph.nodes.map((node, i) => [node, i]));
  const leaving = new Set(results(graph).map((value) => value.id));
  /** The value whose buffer a value is in. */
  const buffer = new Map<number, number>();
  const bytes = new Map<number, number>();
  const last = new Map<number, number>();
  const lastRead = (value: Value): number =>
    leaving.has(value.id)
      ? Number.POSITIVE_INFINITY
      : Math.max(-1, ...(read.get(value.id) ?? []).map((n) => position.get(n)!));
  const freed: number[][] = graph.nodes.map(() => []);
  const made: number[][] = graph.nodes.map(() => []);
  graph.nodes.forEach((node, at) => {
    const shared = sharedOperand(node, at, (id) => last.get(buffer.get(id) ?? -1) ?? Number.POSITIVE_INFINITY);
    for (const output of node.outputs) {
      const owner = shared !== undefined ? buffer.get(shared.id) : undefined;
      if (owner !== undefined) {
        buffer.set(output.id, owner);
        last.set(owner, Math.max(last.get(owner)!, lastRead(output)));
        continue;
      }
      // A view of an input takes nothing.
      if (VIEWS.has(node.kernel)) continue;
      buffer.set(output.id, output.id);
      bytes.set(output.id, bytesOf(output));
      last.set(output.id, Math.max(at, lastRead(output)));
      made[at]!.push(output.id);
    }
  });
  for (const [id, at] of last) if (at < graph.nodes.length) freed[at]!.push(id);
  let alive = 0;
  return graph.nodes.map((node, at) => {
    for (const id of made[at]!) alive += bytes.get(id)!;
    const now = alive + (findKernel(node.kernel, node.scope).scratch?.(node) ?? 0);
    for (const id of freed[at]!) alive -= bytes.get(id)!;
    return now;
  });
}

/** The operand whose buffer the node's output takes over. */
function sharedOperand(node: Node, at: number, last: (id: number) => number): Value | undefined {
  const operands = Object.values(node.inputs);
  if (VIEWS.has(node.kernel)) return operands[0];
  if (!OVERWRITE.has(node.kernel)) return undefined;
  return operands.find((operand) => last(operand.id) <= at && bytesOf(operand) === bytesOf(node.outputs[0]!));
}
