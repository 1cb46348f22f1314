// What the uses of models in one call share: a call whose numbers are read and whose tensors are freed.

import type * as tf from "@tensorflow/tfjs";
import type { Tokenizer } from "../../tokenizers/index.js";
import type { ModelArguments } from "../hostModel.js";

/** A model that can be called: a host, or a `PeftModel` over one. */
export type CallableModel = (inputs: ModelArguments) => Promise<{ logits: tf.Tensor }>;

export interface TextUse {
  /** The checkpoint's, from `loadTokenizer`. */
  readonly tokenizer: Tokenizer;
  /** Longer texts are cut. @defaultValue the model's, if the tokenizer's files name it */
  readonly maxLength?: number;
}

/** The numbers of a model's logits, which are freed. */
export async function logitsOf(
  model: CallableModel,
  inputs: ModelArguments,
): Promise<{ data: Float32Array; shape: readonly number[] }> {
  const { logits } = await model(inputs);
  const data = await logits.data<"float32">();
  const { shape } = logits;
  logits.dispose();
  return { data, shape };
}
