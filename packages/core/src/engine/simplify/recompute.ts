// Cheap values that would be kept from the forward to the backward pass are computed again where they are needed: a
// normalised or activated tensor costs one pass over memory, and what it is made of is kept anyway.

import { type Graph, type Node, readers, results, type Value } from "../graph.js";
import { bytesOf, freshIds, mapInputs, producers } from "./rewrite.js";

/** Kernels of one or two passes over their operands. */
const CHEAP = new Set([
  "PeftLayerNorm",
  "PeftGelu",
  "PeftGeluTanh",
  "PeftSilu",
  "PeftRelu",
  "Multiply",
  "Add",
  "Reshape",
]);
/** A reader this many nodes further on is "later"; blocks of a transformer are a few dozen nodes. */
const DISTANCE = 100;
/** Smaller values are not worth a node. */
const MIN_BYTES = 1 << 18;
/** How many cheap nodes in a row may be computed again for one value. */
const MAX_DEPTH = 3;

export function recomputeCheap(graph: Graph): Graph {
  const fresh = freshIds(graph);
  const made = producers(graph);
  const read = readers(graph);
  const position = new Map(graph.nodes.map((node, i) => [node, i]));
  const fixed = new Set([...graph.inputs, ...graph.constants].map(({ value }) => value.id));
  const leaving = new Set(results(graph).map((value) => value.id));
  /** Copies made for readers near a place, by the value copied. */
  const copies = new Map<number, { value: Value; at: number }>();

  const lastRead = (value: Value): number => Math.max(-1, ...(read.get(value.id) ?? []).map((n) => position.get(n)!));
  const early = (value: Value): number => position.get(made.get(value.id)!) ?? -1;
  /** Whether the value is there at `at` without being kept for our sake. */
  const alive = (value: Value, at: number): boolean =>
    fixed.has(value.id) || leaving.has(value.id) || early(value) >= at - DISTANCE || lastRead(value) >= at;

  const copy = (value: Value, at: number, depth: number, out: Node[], forced: boolean): Value | undefined => {
    if (!forced && alive(value, at) && !isCandidate(value, at)) return value;
    const known = copies.get(value.id);
    if (known && at - known.at < DISTANCE) return known.value;
    const node = made.get(value.id);
    if (!node || !CHEAP.has(node.kernel) || depth >= MAX_DEPTH) return undefined;
    const before: Node[] = [];
    const inputs: Record<string, Value> = {};
    for (const [name, input] of Object.entries(node.inputs)) {
      const copied = copy(input, at, depth + 1, before, false);
      if (!copied) return undefined;
      inputs[name] = copied;
    }
    const output = { ...node.outputs[0]!, id: fresh() };
    out.push(...before, { ...node, inputs, outputs: [output] });
    copies.set(value.id, { value: output, at });
    return output;
  };
  const isCandidate = (value: Value, at: number): boolean => {
    const node = made.get(value.id);
    if (!node || !CHEAP.has(node.kernel) || node.kernel === "Reshape") return false;
    if (leaving.has(value.id) || bytesOf(value) < MIN_BYTES) return false;
    return at - position.get(node)! > DISTANCE;
  };

  const nodes: Node[] = [];
  graph.nodes.forEach((node, at) => {
    const before: Node[] = [];
    const replaced = mapInputs(node, (value) =>
      isCandidate(value, at) ? (copy(value, at, 0, before, true) ?? value) : value,
    );
    nodes.push(...before, replaced);
  });
  return { ...graph, nodes };
}
