// Emission for a runtime that lacks some of the operators: a table says how their nodes are written with others, so that no op
// needs to know of it. To choose, the emitter knows each name's type, and as much of its shape as the choice needs.

import { Emitter, type OpOptions } from "./emit.js";
import type { Value } from "./graph.js";
import type { OnnxAttribute, OnnxType } from "./onnx.js";

interface Use {
  /** How many outputs are wanted. */
  readonly count: number;
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

/** The names of the outputs, or undefined where the node itself serves. */
export type Lowering = (e: LoweringEmitter, inputs: readonly string[], use: Use) => string[] | undefined;

/** A node with one output. */
export const one =
  (write: (e: LoweringEmitter, inputs: readonly string[], use: Use) => string | undefined): Lowering =>
  (e, inputs, use) => {
    const name = write(e, inputs, use);
    return name === undefined ? undefined : [name];
  };

interface Known {
  readonly type: OnnxType;
  readonly rank: number;
  /** Of the graph's own values; inside an op's emission the rank must do. */
  readonly shape?: readonly number[];
}

const COMPARISONS = new Set(["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "IsNaN", "Not", "And", "Or"]);
const CAST_TYPES: Readonly<Record<string, OnnxType>> = {
  1: "float32",
  6: "int32",
  7: "int64",
  9: "bool",
  12: "uint32",
};

export class LoweringEmitter extends Emitter {
  readonly #known = new Map<string, Known>();
  readonly #lowerings: Readonly<Record<string, Lowering>>;

  /** @param lowerings by the operator's name */
  constructor(lowerings: Readonly<Record<string, Lowering>>) {
    super();
    this.#lowerings = lowerings;
  }

  override bind(value: Value, name: string): void {
    super.bind(value, name);
    this.#known.set(name, { type: value.dtype, rank: value.shape.length, shape: value.shape });
  }

  override constant(type: OnnxType, shape: readonly number[], bytes: Uint8Array): string {
    const name = super.constant(type, shape, bytes);
    this.#known.set(name, { type, rank: shape.length, shape });
    return name;
  }

  override multi(type: string, inputs: readonly string[], count: number, options: OpOptions = {}): string[] {
    const lowered = this.#lowerings[type]?.(this, inputs, { count, attributes: options.attributes ?? {} });
    return lowered ?? this.plain(type, inputs, count, options);
  }

  /** The node itself. */
  plain(type: string, inputs: readonly string[], count = 1, options: OpOptions = {}): string[] {
    const outputs = super.multi(type, inputs, count, options);
    const known = this.#infer(type, inputs, options);
    for (const [i, name] of outputs.entries()) {
      this.#known.set(name, type === "TopK" && i === 1 ? { ...known, type: "int64" } : known);
    }
    return outputs;
  }

  typeOf(name: string): OnnxType {
    return this.#of(name).type;
  }

  rankOf(name: string): number {
    return this.#of(name).rank;
  }

  /** The length of an axis of one of the graph's own values. */
  lengthOf(name: string, axis: number): number {
    const length = this.#of(name).shape?.at(axis);
    if (length === undefined) throw new Error(`the shape of ${name} is not known`);
    return length;
  }

  #of(name: string): Known {
    const known = this.#known.get(name);
    if (!known) throw new Error(`nothing is known of ${name}`);
    return known;
  }

  #infer(type: string, inputs: readonly string[], { attributes = {} }: OpOptions): Known {
    const known = inputs.map((name) => this.#of(name));
    const rank = Math.max(0, ...known.map((input) => input.rank));
    const [first] = known as [Known];
    switch (type) {
      case "Cast":
        return { ...first, type: CAST_TYPES[String(attributes.to)]! };
      case "Reshape":
        return { type: first.type, rank: known[1]!.shape![0]! };
      case "Where":
        return { type: known[1]!.type, rank };
      case "ArgMax":
      case "ArgMin":
        return { type: "int64", rank };
      default:
        return { type: COMPARISONS.has(type) ? "bool" : first.type, rank };
    }
  }
}
