// Large intermediate values are computed a few samples at a time, so that they stay in the processor's caches and are gone
// before the next ones are made: the inside of a feed-forward layer, the probabilities of attention. A lane is such a range
// of samples; a value in lanes is put together again only where somebody needs it whole.

import { type Graph, type Node, readers, results, type Value } from "../graph.js";
import { findKernel } from "../kernel.js";
import { rangesOf } from "../ranges.js";
import { inOrder, type LaneNode } from "./order.js";
import { bytesOf, freshIds } from "./rewrite.js";

/** A lane's largest value; a few of them fit into a processor's last-level cache. */
const LANE_BYTES = 10 << 20;

/** @param laneBytes how large a lane's largest value may be */
export function splitRows(graph: Graph, laneBytes: number = LANE_BYTES): Graph {
  const plan = planLanes(graph, laneBytes);
  if (!plan) return graph;
  const { split, size } = plan;
  const fresh = freshIds(graph);
  /** The parts of each value in lanes. */
  const parts = new Map<number, Value[]>();
  /** Parts cut for the backward pass, so that those of the forward pass need not be kept beside the whole. */
  const cutAgain = new Map<number, Value[]>();
  const whole = new Set<number>();
  const nodes: LaneNode[] = [];
  const push = (node: Node, index: number, lane?: number): void => {
    nodes.push({ node, index, lane });
  };
  const part = (spec: Value, rows: number): Value => ({ ...spec, id: fresh(), shape: [rows, ...spec.shape.slice(1)] });

  const cut = (value: Value, index: number, { backward }: Node): Value[] => {
    const inLanes = split.has(plan.made.get(value.id)!);
    const cuts = backward && !inLanes ? cutAgain : parts;
    const known = cuts.get(value.id);
    if (known) return known;
    const made = rangesOf(value.shape[0]!, size).map(([from, to], lane) => {
      const output = part(value, to - from);
      const rest = value.shape.slice(1);
      const attrs = { begin: [from, ...rest.map(() => 0)], size: [to - from, ...rest] };
      push({ kernel: "Slice", inputs: { x: value }, attrs, outputs: [output], scope: "" }, index, lane);
      return output;
    });
    cuts.set(value.id, made);
    return made;
  };
  /** Makes a value in lanes whole, once. */
  const join = (value: Value, index: number): void => {
    const pieces = parts.get(value.id);
    if (!pieces || whole.has(value.id)) return;
    whole.add(value.id);
    const inputs = Object.fromEntries(pieces.map((piece, i) => [String(i), piece]));
    push({ kernel: "Concat", inputs, attrs: { axis: 0 }, outputs: [value], scope: "" }, index);
  };

  graph.nodes.forEach((node, index) => {
    if (!split.has(node)) {
      for (const input of Object.values(node.inputs)) if (split.has(plan.made.get(input.id)!)) join(input, index);
      push(node, index);
      return;
    }
    const kernel = findKernel(node.kernel, node.scope);
    const sums = kernel.sumsRows?.(node);
    const operands = sums ?? kernel.rows!(node)!;
    const count = rangesOf(rowsOf(node, operands), size).length;
    for (const [name, input] of Object.entries(node.inputs)) {
      if (!operands.includes(name) && split.has(plan.made.get(input.id)!)) join(input, index);
    }
    const cuts = new Map(operands.map((name) => [name, cut(node.inputs[name]!, index, node)]));
    const lanes = Array.from({ length: count }, (_, lane) => {
      const inputs = { ...node.inputs };
      for (const [name, pieces] of cuts) inputs[name] = pieces[lane]!;
      return inputs;
    });
    if (sums) accumulate(node, lanes, fresh, (made, lane) => push(made, index, lane));
    else {
      const rows = rangesOf(rowsOf(node, operands), size);
      const outputs = node.outputs.map((output) => rows.map(([from, to]) => part(output, to - from)));
      for (const [i, output] of node.outputs.entries()) parts.set(output.id, outputs[i]!);
      lanes.forEach((inputs, lane) => {
        push({ ...node, inputs, outputs: outputs.map((o) => o[lane]!) }, index, lane);
      });
    }
  });
  for (const value of results(graph)) if (split.has(plan.made.get(value.id)!)) join(value, graph.nodes.length);
  return { ...graph, nodes: inOrder(nodes, graph) };
}

/** A sum over rows, lane by lane: through the kernel's own operand `c` where it has one. */
function accumulate(
  node: Node,
  lanes: Record<string, Value>[],
  fresh: () => number,
  push: (node: Node, lane?: number) => void,
): void {
  const [output] = node.outputs as [Value];
  const absorbs = node.kernel === "PeftLinearWeightGradient";
  let total = node.inputs.c;
  lanes.forEach((inputs, lane) => {
    const last = lane === lanes.length - 1;
    const sum = last ? output : { ...output, id: fresh() };
    if (absorbs || !total) {
      push({ ...node, inputs: absorbs && total ? { ...inputs, c: total } : inputs, outputs: [sum] }, lane);
    } else {
      const own = { ...output, id: fresh() };
      push({ ...node, inputs, outputs: [own] }, lane);
      push({ kernel: "Add", inputs: { a: total, b: own }, attrs: {}, outputs: [sum], scope: node.scope }, lane);
    }
    total = sum;
  });
}

function rowsOf(node: Node, operands: readonly string[]): number {
  return node.inputs[operands[0]!]!.shape[0]!;
}

/** Which nodes are computed in lanes, and how many samples a lane has; undefined where nothing is large enough. */
function planLanes(
  graph: Graph,
  laneBytes: number,
): { split: Set<Node>; size: number; made: Map<number, Node> } | undefined {
  const made = new Map<number, Node>();
  for (const node of graph.nodes) for (const output of node.outputs) made.set(output.id, node);
  const leaving = new Set(results(graph).map((value) => value.id));
  const read = readers(graph);
  const rowOperands = new Map<Node, readonly string[]>();
  const summed = new Map<Node, readonly string[]>();
  // Updates and moments are over a weight's rows, whatever their number.
  const weights = new Set(
    graph.inputs.filter(({ kind }) => kind === "parameter").map(({ value }) => value.shape.join()),
  );
  /** By how many rows large values have: bytes of all of them, and the most of a row. */
  const large = new Map<number, { total: number; perRow: number }>();
  for (const node of graph.nodes) {
    const kernel = findKernel(node.kernel, node.scope);
    const sums = kernel.sumsRows?.(node);
    if (sums) summed.set(node, sums);
    const operands = kernel.rows?.(node);
    if (!operands || operands.length === 0 || (node.outputs[0]!.shape.length ?? 0) < 2) continue;
    rowOperands.set(node, operands);
    const { shape } = node.outputs[0]!;
    const [rows, bytes] = [shape[0]!, weight(node)];
    if (bytes <= laneBytes || rows === 1 || weights.has(shape.join())) continue;
    const { total, perRow } = large.get(rows) ?? { total: 0, perRow: 0 };
    large.set(rows, { total: total + bytes, perRow: Math.max(perRow, bytes / rows) });
  }
  // There are as many samples as rows in most of what is large; a value may be large over something else, such as passes.
  const [batch, most] = [...large].reduce((a, b) => (b[1].total > a[1].total ? b : a), [0, { total: 0, perRow: 0 }]);
  const size = Math.max(1, Math.floor(laneBytes / most.perRow));
  if (size >= batch) return undefined;

  const split = new Set<Node>();
  const fits = (node: Node): boolean => node.outputs[0]!.shape[0] === batch;
  for (const [node] of rowOperands) if (fits(node) && weight(node) > laneBytes) split.add(node);
  const inLanes = (value: Value | undefined): boolean => value !== undefined && split.has(made.get(value.id)!);
  for (let grew = true; grew; ) {
    grew = false;
    for (const [node, operands] of rowOperands) {
      if (split.has(node) || !fits(node)) continue;
      const own = operands.map((name) => node.inputs[name]);
      const wideInput = own.some((value) => inLanes(value) && bytesOf(value!) > laneBytes);
      const allInputs = own.every(inLanes);
      const uses = node.outputs.flatMap((output) => read.get(output.id) ?? []);
      const allReaders = uses.length > 0 && uses.every((reader) => split.has(reader));
      const stays = node.outputs.every((output) => !leaving.has(output.id));
      if (wideInput || allInputs || (allReaders && stays)) {
        split.add(node);
        grew = true;
      }
    }
    for (const [node, operands] of summed) {
      if (split.has(node) || !operands.every((name) => node.inputs[name]!.shape[0] === batch)) continue;
      if (operands.some((name) => inLanes(node.inputs[name]) && bytesOf(node.inputs[name]!) > laneBytes)) {
        split.add(node);
        grew = true;
      }
    }
  }
  return { split, size, made };
}

/** Bytes of the largest value that a node makes, inside or out. */
function weight(node: Node): number {
  const inside = findKernel(node.kernel, node.scope).scratch?.(node) ?? 0;
  return Math.max(inside, ...node.outputs.map(bytesOf));
}
