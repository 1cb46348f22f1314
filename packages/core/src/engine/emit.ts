// Emission: a graph as one ONNX model, and the plan of what is fed to it and what is fetched.

import { createHash } from "node:crypto";
import { type Constant, type Graph, type GraphInput, type Spec, sizeOf, type Value } from "./graph.js";
import { inPlaceUpdates } from "./inPlace.js";
import { findKernel } from "./kernel.js";
import {
  type OnnxAttribute,
  type OnnxNode,
  type OnnxTensor,
  type OnnxType,
  type OnnxValue,
  writeOnnx,
} from "./onnx.js";
import type { Parameter } from "./parameter.js";

export interface Executable {
  /** The ONNX model's bytes. */
  readonly model: Uint8Array;
  /** Names the structure: two graphs with the same key are one session. */
  readonly key: string;
  readonly feeds: readonly { readonly name: string; readonly input: GraphInput }[];
  readonly results: readonly { readonly name: string; readonly spec: Spec }[];
  readonly assignments: readonly {
    readonly name: string;
    readonly parameter: Parameter;
    /** Whether the new numbers may be written over the old ones while the graph runs. */
    readonly inPlace: boolean;
  }[];
}

export interface OpOptions {
  /** ONNX Runtime's own operators are in `com.microsoft`. */
  domain?: "com.microsoft";
  attributes?: Readonly<Record<string, OnnxAttribute>>;
}

/** Writes ONNX nodes in the order in which they should run. */
export class Emitter {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxTensor[] = [];
  readonly #names = new Map<number, string>();
  readonly #constants = new Map<string, string>();
  readonly #made = new Map<string, unknown>();
  /** What a reshaped tensor is a view of. */
  readonly #views = new Map<string, { readonly name: string; readonly shape: string }>();
  #next = 0;
  #at = 0;

  /** Place in the graph of the node that is written; the ONNX nodes are named after it, so that a profile leads back. */
  set at(index: number) {
    this.#at = index;
  }

  /** The ONNX name of a value that is already there. */
  of(value: Value): string {
    const name = this.#names.get(value.id);
    if (name === undefined) throw new Error(`value ${value.id} is used before it is computed`);
    return name;
  }

  bind(value: Value, name: string): void {
    this.#names.set(value.id, name);
  }

  /** One node with one output; returns the output's name. */
  op(
    type: string,
    inputs: readonly string[],
    attributes: OpOptions["attributes"] = {},
    domain?: OpOptions["domain"],
  ): string {
    return this.multi(type, inputs, 1, { attributes, domain })[0]!;
  }

  /** One node with several outputs; returns their names. */
  multi(type: string, inputs: readonly string[], count: number, options: OpOptions = {}): string[] {
    const outputs = Array.from({ length: count }, () => `t${this.#next++}`);
    const { attributes = {}, domain = "" } = options;
    this.nodes.push({ name: `${this.#at}.${this.nodes.length}`, type, domain, inputs, outputs, attributes });
    return outputs;
  }

  /** A constant, written once however often it is asked for. */
  constant(type: OnnxType, shape: readonly number[], bytes: Uint8Array): string {
    const key = `${type}[${shape}]${bytes.length <= 64 ? Buffer.from(bytes).toString("hex") : createHash("sha1").update(bytes).digest("hex")}`;
    const known = this.#constants.get(key);
    if (known) return known;
    const name = `c${this.#constants.size}`;
    this.#constants.set(key, name);
    this.initializers.push({ name, type, shape, bytes });
    return name;
  }

  /** One number, at every place of a shape. */
  float(value: number, shape: readonly number[] = []): string {
    return this.constant("float32", shape, new Uint8Array(new Float32Array(sizeOf(shape)).fill(value).buffer));
  }

  int(value: number): string {
    return this.constant("int32", [], new Uint8Array(Int32Array.of(value).buffer));
  }

  word(value: number): string {
    return this.constant("uint32", [], new Uint8Array(Uint32Array.of(value).buffer));
  }

  /** A list of int64, as ONNX wants shapes, axes and positions. */
  ints(values: readonly number[]): string {
    const data = BigInt64Array.from(values, BigInt);
    return this.constant("int64", [values.length], new Uint8Array(data.buffer));
  }

  reshape(name: string, shape: readonly number[]): string {
    // Without `allowzero`, a 0 means the input's own dimension.
    return this.op("Reshape", [name, this.ints(shape)], shape.includes(0) ? { allowzero: 1n } : {});
  }

  /** A tensor of shape `from` as one of shape `to`; seen as it was again, it is the tensor itself. */
  view(name: string, from: readonly number[], to: readonly number[]): string {
    if (from.length === to.length && from.every((dimension, i) => dimension === to[i])) return name;
    const source = this.#views.get(name);
    if (source?.shape === to.join()) return source.name;
    const seen = this.reshape(name, to);
    this.#views.set(seen, { name, shape: from.join() });
    return seen;
  }

  /** What `make` writes, written once for a key: where kernels of a forward and a backward pass need the same. */
  once<Names>(key: string, make: () => Names): Names {
    if (!this.#made.has(key)) this.#made.set(key, make());
    return this.#made.get(key) as Names;
  }

  /** Words of uint32 moved up or down by some bits; those that leave are lost. */
  shift(name: string, direction: "LEFT" | "RIGHT", bits: number): string {
    return this.op("BitShift", [name, this.word(bits)], { direction });
  }

  cast(name: string, type: OnnxType): string {
    const codes: Partial<Record<OnnxType, bigint>> = { float32: 1n, int32: 6n, int64: 7n, bool: 9n, uint32: 12n };
    return this.op("Cast", [name], { to: codes[type]! });
  }
}

/** A graph's ONNX nodes, in the order of the graph, and the names of what comes in and what leaves. */
export interface Emission extends Pick<Executable, "feeds" | "results" | "assignments"> {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
}

/** Writes a graph's nodes by a new emitter: the plain one, or one for a runtime that lacks some of the operators. */
export function emitNodes(graph: Graph, e: Emitter): Emission {
  const feeds = graph.inputs.map((input, index) => ({ name: `x${index}`, input }));
  for (const { name, input } of feeds) e.bind(input.value, name);
  for (const constant of graph.constants) e.bind(constant.value, emitConstant(constant, e));
  for (const [at, node] of graph.nodes.entries()) {
    e.at = at;
    const names = findKernel(node.kernel, node.scope).emit(node, e);
    const list = typeof names === "string" ? [names] : names;
    node.outputs.forEach((output, i) => {
      if (list[i] !== undefined) e.bind(output, list[i]);
    });
  }
  // Each result gets a name of its own: a value may leave the graph twice, and an input may leave it unchanged.
  const taken = new Set([...feeds.map((feed) => feed.name), ...e.initializers.map((tensor) => tensor.name)]);
  const leave = (value: Value): string => {
    const name = e.of(value);
    const own = taken.has(name) ? e.op("Identity", [name]) : name;
    taken.add(own);
    return own;
  };
  const results = graph.outputs.map((value) => ({ name: leave(value), spec: value }));
  const inPlace = inPlaceUpdates(graph);
  const assignments = graph.assignments.map(({ parameter, value }) => ({
    name: leave(value),
    parameter,
    inPlace: inPlace.has(parameter),
  }));
  return {
    nodes: used(e.nodes, [...results, ...assignments]),
    initializers: e.initializers,
    feeds,
    results,
    assignments,
  };
}

/** Writes a graph as the ONNX model that the engine's device runs. */
export function emit(graph: Graph, e: Emitter): Executable {
  const { nodes, initializers, feeds, results, assignments } = emitNodes(graph, e);
  const describe = (name: string, spec: Spec): OnnxValue => ({ name, type: spec.dtype, shape: spec.shape });
  const model = writeOnnx({
    nodes: asRun(nodes, new Set(results.map(({ name }) => name))),
    initializers,
    inputs: feeds.map(({ name, input }) => describe(name, input.value)),
    outputs: [
      ...results.map(({ name, spec }) => describe(name, spec)),
      ...graph.assignments.map(({ value }, i) => describe(assignments[i]!.name, value)),
    ],
  });
  return { model, key: createHash("sha256").update(model).digest("base64"), feeds, results, assignments };
}

/** Without nodes whose outputs nobody reads: the runtime would keep their operands to the end to run them. */
function used(nodes: readonly OnnxNode[], leaving: readonly { readonly name: string }[]): OnnxNode[] {
  const read = new Set(leaving.map(({ name }) => name));
  const kept = nodes.toReversed().filter(({ inputs, outputs }) => {
    if (!outputs.some((name) => read.has(name))) return false;
    for (const name of inputs) read.add(name);
    return true;
  });
  return kept.reverse();
}

/**
 * The nodes in the order of the file. ONNX Runtime walks back from those that nobody reads, and among several takes the last
 * of the file first: written in reverse, nodes run in our order. It begins with what leaves the graph, the loss and the
 * gradients' norm, and not with an update: an update's own gradient would be walked before all others.
 */
function asRun(nodes: readonly OnnxNode[], leaving: ReadonlySet<string>): OnnxNode[] {
  const read = new Set(nodes.flatMap(({ inputs }) => inputs));
  const isEnd = ({ outputs }: OnnxNode): boolean =>
    outputs.some((name) => leaving.has(name)) && outputs.every((name) => !read.has(name));
  return [...nodes.filter((node) => !isEnd(node)).reverse(), ...nodes.filter(isEnd).reverse()];
}

function emitConstant({ value, data }: Constant, e: Emitter): string {
  return e.constant(value.dtype, value.shape, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}
