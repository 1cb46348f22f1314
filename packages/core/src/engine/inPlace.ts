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
  const safe = new Set<Parameter>();
  if (graph.assignments.length === 0) return safe;
  const producer = new Map<number, Node>();
  for (const node of graph.nodes) for (const output of node.outputs) producer.set(output.id, node);
  // Old numbers that another parameter is to hold leave, too.
  const leaving = new Set([...graph.outputs, ...graph.assignments.map(({ value }) => value)].map(({ id }) => id));
  const read = readers(graph);
  const inputs = new Map<Parameter, Value>();
  for (const input of graph.inputs) if (input.kind === "parameter") inputs.set(input.parameter, input.value);

  const lasts = graph.assignments.map(({ value }) => producer.get(value.id));
  const first = lasts.find((node) => node !== undefined);
  const shared = first ? walk(first, producer, new Set()).found : new Set<Node>();
  const above = new Map<Node, Set<Node>>();
  const ancestorsOf = (node: Node): Set<Node> => {
    const known = above.get(node) ?? walk(node, producer, new Set()).found;
    above.set(node, known);
    return known;
  };

  graph.assignments.forEach(({ parameter }, i) => {
    const old = inputs.get(parameter);
    const last = lasts[i];
    if (!old || !last || leaving.has(old.id)) return;
    // Walk up to where the updates meet. From there on, ancestors are looked up once for all: all updates meet at the norm.
    const { found, met } = last === first ? { found: shared, met: [] } : walk(last, producer, shared);
    met.sort((x, y) => Number(above.has(y)) - Number(above.has(x)));
    const before = (node: Node): boolean =>
      found.has(node) || met.includes(node) || met.some((meeting) => ancestorsOf(meeting).has(node));
    const others = bufferReaders(old, read);
    if (others.every((node) => (node === last ? ELEMENTWISE.has(node.kernel) : before(node)))) safe.add(parameter);
  });
  return safe;
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

/** The ancestors of a node, down to and without those in `stop`; `met` are the ones in `stop` where the walk ended. */
function walk(
  node: Node,
  producer: ReadonlyMap<number, Node>,
  stop: ReadonlySet<Node>,
): { found: Set<Node>; met: Node[] } {
  const found = new Set<Node>();
  const met = new Set<Node>();
  const stack = [node];
  while (stack.length > 0) {
    for (const input of Object.values(stack.pop()!.inputs)) {
      const next = producer.get(input.id);
      if (!next || found.has(next)) continue;
      if (stop.has(next)) {
        met.add(next);
        continue;
      }
      found.add(next);
      stack.push(next);
    }
  }
  return { found, met: [...met] };
}
