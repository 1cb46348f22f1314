// What the uses of text models in one call share.

import type * as tf from "@tensorflow/tfjs";
import type { Tokenizer } from "../../tokenizers/index.js";
import type { ModelArguments } from "../hostModel.js";

/** A model that can be called with `inputIds`: a text model, or a `PeftModel` over one. */
export type CallableTextModel = (inputs: ModelArguments) => Promise<{ logits: tf.Tensor }>;

export interface TextUse {
  /** The checkpoint's, from `loadTokenizer`. */
  readonly tokenizer: Tokenizer;
  /** Longer texts are cut. @defaultValue the model's, if the tokenizer's files name it */
  readonly maxLength?: number;
}

/** The numbers of a model's logits, which are freed. */
export async function logitsOf(
  model: CallableTextModel,
  inputs: ModelArguments,
): Promise<{ data: Float32Array; shape: readonly number[] }> {
  const { logits } = await model(inputs);
  const data = await logits.data<"float32">();
  const { shape } = logits;
  logits.dispose();
  return { data, shape };
}
