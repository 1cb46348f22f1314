// Which parameters may be overwritten while the graph that reads them runs. The runtime chooses its own order among nodes
// that do not depend on one another, so every other reader of the old numbers must be an ancestor of the update. Global-norm
// clipping gives that: each update depends on the norm, the norm on every gradient, the gradients on every reader.

import { type Graph, type Node, readers, sizeOf, type Value } from "./graph.js";
import type { Parameter } from "./parameter.js";

/** Kernels that go over their operands element by element, so that an operand's buffer may be the output's too. */
const ELEMENTWISE = new Set(["Add", "Sub", "Multiply", "RealDiv", "PeftSelect"]);

/** Kernels that the runtime may answer with their operand's own buffer, where they leave its elements as they are. */
const SHARE = new Set([
  ...["Reshape", "ExpandDims", "Identity", "Cast", "Slice", "StridedSlice", "MirrorPad", "AddN"],
  ...["Sum", "Mean", "Max", "Min", "Prod"],
]);

export function inPlaceUpdates(graph: Graph): Set<Parameter> {
  if (graph.assignments.length === 0) return new Set();
  const producer = new Map<number, Node>();
  for (const node of graph.nodes) for (const output of node.outputs) producer.set(output.id, node);
  // Old numbers that another parameter is to hold leave, too.
  const leaving = new Set([...graph.outputs, ...graph.assignments.map(({ value }) => value)].map(({ id }) => id));
  const read = readers(graph);
  const inputs = new Map<Parameter, Value>();
  for (const input of graph.inputs) if (input.kind === "parameter") inputs.set(input.parameter, input.value);

  const candidates = graph.assignments.flatMap(({ parameter, value }) => {
    const old = inputs.get(parameter);
    const last = producer.get(value.id);
    if (!old || !last || leaving.has(old.id)) return [];
    const all = bufferReaders(old, read);
    const others = all.filter((node) => node !== last);
    return others.length < all.length && !ELEMENTWISE.has(last.kernel) ? [] : [{ parameter, last, others }];
  });
  const isBefore = ancestry(graph, producer, new Set(candidates.flatMap(({ others }) => others)));
  const safe = candidates.filter(({ last, others }) => others.every((node) => isBefore(node, last)));
  return new Set(safe.map(({ parameter }) => parameter));
}

/** The nodes that may read a value's buffer: its readers, and the readers of what may share it. */
function bufferReaders(value: Value, read: ReadonlyMap<number, Node[]>): Node[] {
  const found = new Set<Node>();
  const stack = [value];
  while (stack.length > 0) {
    for (const node of read.get(stack.pop()!.id) ?? []) {
      if (found.has(node)) continue;
      found.add(node);
      // The outputs of one node may be computed one after another, so that a later one is not before the update either.
      const several = node.outputs.length > 1;
      const shares = SHARE.has(node.kernel) && sizeOf(node.outputs[0]!.shape) === sizeOf(value.shape);
      if (several || shares) stack.push(...node.outputs);
    }
  }
  return [...found];
}

/**
 * Tells of some nodes whether they are ancestors of another: for each node of the graph a bit for each of them. One walk over
 * the graph, where a walk for each would take long in a graph with many parameters.
 */
function ancestry(
  graph: Graph,
  producer: ReadonlyMap<number, Node>,
  nodes: ReadonlySet<Node>,
): (ancestor: Node, node: Node) => boolean {
  const bits = new Map([...nodes].map((node, i) => [node, i]));
  const width = Math.ceil(bits.size / 32);
  const places = new Map(graph.nodes.map((node, i) => [node, i]));
  const above = new Uint32Array(graph.nodes.length * width);
  for (const [place, node] of graph.nodes.entries()) {
    const row = place * width;
    for (const { id } of Object.values(node.inputs)) {
      const parent = producer.get(id);
      if (!parent) continue;
      const from = places.get(parent)! * width;
      for (let i = 0; i < width; i++) above[row + i]! |= above[from + i]!;
      const bit = bits.get(parent);
      if (bit !== undefined) above[row + (bit >>> 5)]! |= 1 << (bit & 31);
    }
  }
  return (ancestor, node) => {
    const bit = bits.get(ancestor)!;
    return ((above[places.get(node)! * width + (bit >>> 5)]! >>> (bit & 31)) & 1) === 1;
  };
}
