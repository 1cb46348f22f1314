// Where the numbers of a prefix come from: a table with a row for each token, or a small network over a narrower table, whose
// output is such a table (Li & Liang 2021, §4.3).

import * as tf from "@tensorflow/tfjs";
import { compile, Parameter } from "../../engine/index.js";
import type { HostTensor } from "../../files/index.js";
import { type Initializer, normal, uniform } from "../../nn/index.js";
import { linear } from "../../ops/index.js";
import { PROMPT_KEY } from "./attach.js";

export interface PrefixShape {
  /** P */
  readonly tokens: number;
  readonly layers: number;
  /** D, of keys and of values. */
  readonly width: number;
}

/** The numbers of a prefix, [P, layers * 2 * D]: of each layer its keys, then its values. */
export interface PrefixSource {
  readonly tensors: ReadonlyMap<string, Parameter>;
  /** Inside a function that runs on the engine. */
  value(): tf.Tensor;
  /** The table as the file has it, where no tensor is it. */
  readonly folded?: () => Promise<ReadonlyMap<string, HostTensor>>;
}

export function prefixTable({ tokens, layers, width }: PrefixShape, init: Initializer): PrefixSource {
  const shape = [tokens, layers * 2 * width];
  const table = new Parameter(shape, (name) => init(shape, name));
  return { tensors: new Map([[PROMPT_KEY, table]]), value: () => table.value() };
}

/**
 * Linear, tanh, linear over a table of [P, D], which start as PyTorch's do. `adapter_model.safetensors` has what comes out.
 *
 * @param hidden the width between the two
 * @param last how the second one starts, where that is not PyTorch's way
 */
export function projectedPrefix(
  { tokens, layers, width }: PrefixShape,
  { hidden, seed, last }: { hidden: number; seed: number; last?: Initializer },
): PrefixSource {
  const made = (shape: number[], init: Initializer): Parameter => new Parameter(shape, (name) => init(shape, name));
  const out = layers * 2 * width;
  const within = (inner: number): Initializer => uniform(1 / Math.sqrt(inner), seed);
  const table = made([tokens, width], normal(1, seed));
  const inner = { weight: made([hidden, width], within(width)), bias: made([hidden], within(width)) };
  const outer = { weight: made([out, hidden], last ?? within(hidden)), bias: made([out], last ?? within(hidden)) };
  const value = (): tf.Tensor => {
    const h = tf.tanh(linear(table.value(), inner.weight.value(), inner.bias.value()));
    return linear(h, outer.weight.value(), outer.bias.value());
  };
  const fold = compile(value);
  return {
    tensors: new Map([
      ["embedding.weight", table],
      ["transform.0.weight", inner.weight],
      ["transform.0.bias", inner.bias],
      ["transform.2.weight", outer.weight],
      ["transform.2.bias", outer.bias],
    ]),
    value,
    folded: async () => {
      const folded = await fold();
      const data = (await folded.data()) as Float32Array;
      folded.dispose();
      return new Map([[PROMPT_KEY, { dtype: "float32", shape: [tokens, out], data }]]);
    },
  };
}
