// A sum with a matrix product is absorbed into the product, which adds to a matrix for free: the gradients of a value that
// several layers read, and the low-rank branch beside a layer.

import { type Graph, type Node, readers, results, type Value } from "../graph.js";
import { producers, sameShape } from "./rewrite.js";

/** Kernels that take a tensor `c` of their output's shape, to which they add. */
const ABSORBS = new Set(["PeftLinear", "PeftLinearWeightGradient"]);

export function absorbSums(graph: Graph): Graph {
  const read = readers(graph);
  const leaving = new Set(results(graph).map((value) => value.id));
  const made = producers(graph);
  const position = new Map(graph.nodes.map((node, i) => [node, i]));
  const gone = new Set<Node>();
  const replaced = new Map<Node, Node>();

  /** The product that makes `value`, if it may take a sum: nobody else reads it, and nothing is added to it yet. */
  const candidate = (value: Value, sum: Node): Node | undefined => {
    const node = made.get(value.id);
    if (!node || !ABSORBS.has(node.kernel) || node.inputs.c || leaving.has(value.id)) return undefined;
    const alone = read.get(value.id)?.length === 1 && sameShape(value.shape, sum.outputs[0]!.shape);
    return alone ? node : undefined;
  };

  for (const node of graph.nodes) {
    if (node.kernel !== "Add") continue;
    const { a, b } = node.inputs as { a: Value; b: Value };
    if (a.id === b.id || !sameShape(a.shape, b.shape)) continue;
    const options = [
      { product: candidate(a, node), c: b },
      { product: candidate(b, node), c: a },
    ].filter((option): option is { product: Node; c: Value } => option.product !== undefined);
    // The later of two products absorbs, so that the earlier one's operands need not be kept.
    options.sort((p, q) => position.get(q.product)! - position.get(p.product)!);
    const [best] = options;
    if (!best) continue;
    const sum = { ...best.product, inputs: { ...best.product.inputs, c: best.c }, outputs: node.outputs };
    gone.add(replaced.get(best.product) ?? best.product);
    replaced.set(node, sum);
    position.set(sum, position.get(node)!);
    made.set(node.outputs[0]!.id, sum);
  }
  const nodes = graph.nodes.filter((node) => !gone.has(node)).map((node) => replaced.get(node) ?? node);
  return { ...graph, nodes };
}
