// The order in which a graph with lanes runs: as recorded, but one lane goes on as far as it can before the next begins.

import type { Graph, Node } from "../graph.js";

export interface LaneNode {
  readonly node: Node;
  /** Place of the node that it was made from. */
  readonly index: number;
  /** The lane that it computes; undefined for nodes over all samples. */
  readonly lane: number | undefined;
}

/**
 * How far behind, in recorded nodes, the others may be. What is computed again depends on early values alone: without a
 * bound, a lane at the end of the forward pass would go on with all of it. A transformer's block is about twice as long.
 */
const RUN_AHEAD = 40;

/** Sorts nodes so that each stands behind those it reads, lanes in depth first. */
export function inOrder(nodes: readonly LaneNode[], graph: Graph): Node[] {
  const maker = new Map<number, LaneNode>();
  for (const entry of nodes) for (const output of entry.node.outputs) maker.set(output.id, entry);
  const waiting = new Map<LaneNode, number>();
  const readersOf = new Map<LaneNode, LaneNode[]>();
  const ready = new Queue();
  for (const entry of nodes) {
    const before = new Set<LaneNode>();
    for (const input of Object.values(entry.node.inputs)) {
      const made = maker.get(input.id);
      if (made) before.add(made);
    }
    waiting.set(entry, before.size);
    for (const made of before) {
      const list = readersOf.get(made);
      if (list) list.push(entry);
      else readersOf.set(made, [entry]);
    }
    if (before.size === 0) ready.add(entry);
  }
  const sorted: Node[] = [];
  let lane: number | undefined;
  for (let next = ready.take(lane); next; next = ready.take(lane)) {
    sorted.push(next.node);
    lane = next.lane;
    for (const reader of readersOf.get(next) ?? []) {
      const left = waiting.get(reader)! - 1;
      waiting.set(reader, left);
      if (left === 0) ready.add(reader);
    }
  }
  if (sorted.length !== nodes.length) throw new Error(`a graph of ${graph.nodes.length} nodes has a circle`);
  return sorted;
}

/** Nodes whose inputs are there, by lane, the earliest recorded first. */
class Queue {
  readonly #byLane = new Map<number | undefined, LaneNode[]>();

  add(entry: LaneNode): void {
    const list = this.#byLane.get(entry.lane) ?? [];
    this.#byLane.set(entry.lane, list);
    let low = 0;
    let high = list.length;
    // Kept in falling order, so that the earliest is taken from the end.
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle]!.index > entry.index) low = middle + 1;
      else high = middle;
    }
    list.splice(low, 0, entry);
  }

  /** The earliest of the lane at work, unless it runs ahead; else the earliest of all, lower lanes first. */
  take(lane: number | undefined): LaneNode | undefined {
    let best: LaneNode[] | undefined;
    for (const list of this.#byLane.values()) {
      const last = list.at(-1);
      if (!last) continue;
      const first = best?.at(-1);
      if (!first || before(last, first)) best = list;
    }
    const same = lane === undefined ? undefined : this.#byLane.get(lane);
    const next = same?.at(-1);
    if (next && next.index - best!.at(-1)!.index <= RUN_AHEAD) return same!.pop();
    return best?.pop();
  }
}

function before(a: LaneNode, b: LaneNode): boolean {
  if (a.index !== b.index) return a.index < b.index;
  return (a.lane ?? -1) < (b.lane ?? -1);
}
