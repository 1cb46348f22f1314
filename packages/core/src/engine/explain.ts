// A compiled function as a reader can look at it: its graph by module path, with shapes, operations, bytes and times.

import type { Graph, Node } from "./graph.js";
import { aliveBytes } from "./memory.js";
import { bytesOf } from "./simplify/rewrite.js";

export interface ExplainedNode {
  /** Path of the module that it belongs to. */
  readonly module: string;
  readonly kernel: string;
  readonly backward: boolean;
  readonly inputs: readonly (readonly number[])[];
  readonly outputs: readonly (readonly number[])[];
  /** Of the outputs. */
  readonly bytes: number;
  /** Of a profiled run. */
  readonly milliseconds?: number;
}

/** A graph after one step of its making: as `traced`, and as `simplified`, which is what runs. */
export interface Stage {
  readonly name: "traced" | "simplified";
  readonly nodes: readonly ExplainedNode[];
}

/** What `explain` gives; as a string, a table by module of the graph that runs. */
export class Explanation {
  constructor(
    readonly stages: readonly [traced: Stage, simplified: Stage],
    /** The most bytes of intermediate values that are alive at once. */
    readonly peakBytes: number,
  ) {}

  toString(): string {
    const [traced, { nodes }] = this.stages;
    const profiled = nodes.some((node) => node.milliseconds !== undefined);
    const head = ["module", "pass", "nodes", "MB", ...(profiled ? ["ms"] : []), "operations"];
    const table = [head, ...byModule(nodes).map((row) => cells(row, profiled))];
    const widths = head.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
    const numeric = new Set(["nodes", "MB", "ms"]);
    const lines = table.map((row) =>
      row
        .map((cell, i) => (numeric.has(head[i]!) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
        .join("  ")
        .trimEnd(),
    );
    const counts = `${traced.nodes.length} nodes traced, ${nodes.length} simplified`;
    return [`${counts}; at most ${megabytes(this.peakBytes)} MB of intermediate values at once`, ...lines].join("\n");
  }
}

/** @param milliseconds of a profiled run, by the place of the simplified graph's node */
export function explainGraphs(
  traced: Graph,
  simplified: Graph,
  milliseconds?: ReadonlyMap<number, number>,
): Explanation {
  const stage = (name: Stage["name"], graph: Graph, times?: ReadonlyMap<number, number>): Stage => {
    const modules = modulesOf(graph);
    const explained = graph.nodes.map((node, i) => explainNode(node, modules[i]!, times && (times.get(i) ?? 0)));
    return { name, nodes: explained };
  };
  const stages = [stage("traced", traced), stage("simplified", simplified, milliseconds)] as const;
  return new Explanation(stages, Math.max(0, ...aliveBytes(simplified)));
}

/**
 * The module of each node. A forward node's is that of the parameter read last before it. Of the backward pass TensorFlow.js
 * does not say where it is: there it is the module of the first operand that has one.
 */
function modulesOf(graph: Graph): string[] {
  const known = new Map<number, string>();
  for (const input of graph.inputs) {
    if (input.kind !== "parameter") continue;
    const { name } = input.parameter;
    known.set(input.value.id, name.slice(0, Math.max(0, name.lastIndexOf("."))));
  }
  return graph.nodes.map((node) => {
    const own = node.backward || node.scope === "" ? undefined : node.scope;
    const module =
      own ??
      Object.values(node.inputs)
        .map(({ id }) => known.get(id))
        .find(Boolean) ??
      "";
    for (const output of node.outputs) known.set(output.id, module);
    return module;
  });
}

function explainNode(
  { kernel, inputs, outputs, backward }: Node,
  module: string,
  milliseconds?: number,
): ExplainedNode {
  return {
    module,
    kernel,
    backward: backward === true,
    inputs: Object.values(inputs).map(({ shape }) => shape),
    outputs: outputs.map(({ shape }) => shape),
    bytes: outputs.reduce((sum, output) => sum + bytesOf(output), 0),
    ...(milliseconds !== undefined && { milliseconds }),
  };
}

interface ModuleRow {
  readonly module: string;
  readonly backward: boolean;
  readonly nodes: ExplainedNode[];
}

/** The nodes of each module and pass, in the order in which the modules begin. */
function byModule(nodes: readonly ExplainedNode[]): ModuleRow[] {
  const rows = new Map<string, ModuleRow>();
  for (const node of nodes) {
    const key = `${node.backward}|${node.module}`;
    const row = rows.get(key) ?? { module: node.module, backward: node.backward, nodes: [] };
    row.nodes.push(node);
    rows.set(key, row);
  }
  return [...rows.values()];
}

function cells({ module, backward, nodes }: ModuleRow, profiled: boolean): string[] {
  const total = (of: (node: ExplainedNode) => number): number => nodes.reduce((sum, node) => sum + of(node), 0);
  const kernels = new Map<string, number>();
  for (const { kernel } of nodes) kernels.set(kernel, (kernels.get(kernel) ?? 0) + 1);
  const operations = [...kernels].map(([kernel, n]) => (n === 1 ? kernel : `${n} ${kernel}`));
  return [
    module || "-",
    backward ? "backward" : "forward",
    String(nodes.length),
    megabytes(total(({ bytes }) => bytes)),
    ...(profiled ? [total(({ milliseconds = 0 }) => milliseconds).toFixed(2)] : []),
    operations.join(", "),
  ];
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
