// The vectors that an encoder has for a batch, compiled once for each model and way.

import * as tf from "@tensorflow/tfjs";
import { type ByName, compileByName } from "../../engine/compileByName.js";
import type { ModelArguments, ModelInputs } from "../hostModel.js";

export interface EmbedOptions {
  /** Whether vectors are brought to length 1, so that their products are cosines. @defaultValue true */
  readonly normalize?: boolean;
}

const calls = new WeakMap<object, Map<string, ByName<tf.Tensor>>>();

/**
 * The vectors of a batch, one [width] each.
 *
 * @param way tells functions over the same model apart
 * @param vectors of the batch, [batch, width]
 */
export async function vectorsOf(
  model: object,
  inputs: ModelArguments,
  way: string,
  vectors: (inputs: ModelInputs) => tf.Tensor,
  { normalize = true }: EmbedOptions,
): Promise<Float32Array[]> {
  const own = calls.get(model) ?? new Map<string, ByName<tf.Tensor>>();
  calls.set(model, own);
  const key = `${way} ${normalize}`;
  const compiled =
    own.get(key) ??
    compileByName((batch) => {
      const x = vectors(batch);
      return normalize ? tf.div(x, tf.sqrt(tf.sum(tf.square(x), -1, true))) : x;
    });
  own.set(key, compiled);
  const names = Object.keys(inputs).sort();
  const result = await compiled(names)(...names.map((name) => inputs[name]!));
  const data = await result.data<"float32">();
  const [rows, width] = result.shape as [number, number];
  result.dispose();
  return Array.from({ length: rows }, (_, row) => data.slice(row * width, (row + 1) * width));
}
