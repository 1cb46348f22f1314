// What texts mean as vectors, in one call.

import * as tf from "@tensorflow/tfjs";
import type { ModelArguments, ModelInputs } from "../hostModel.js";
import { firstToken, ownTokens, type TextModel } from "../text/model.js";
import type { TextUse } from "./call.js";
import { type EmbedOptions, vectorsOf } from "./vectors.js";

/** A model with vectors for texts: CLIP's, which takes that of a text's end. */
export interface TextFeatures {
  /** [texts, width] */
  textFeatures(inputs: ModelInputs): tf.Tensor;
  /** @throws PeftError DATA_INVALID for ids out of the vocabulary */
  checkInputs(inputs: ModelArguments): void;
}

export interface EmbedTextOptions extends EmbedOptions, TextUse {
  /** Of BERT and RoBERTa: the mean over a text's tokens, as most sentence encoders want it, or the first token. @defaultValue "mean" */
  readonly pooling?: "mean" | "first";
}

/**
 * The vector of each text.
 *
 * @param model a `BertModel` or `RobertaModel`, [H]; a `CLIPModel` or `CLIPTextModel`, whose vectors may be compared with those
 *   of pictures
 * @throws PeftError ARGUMENT_INVALID for no texts, DATA_INVALID for another model's tokenizer
 */
export async function embedText(
  model: TextModel | TextFeatures,
  texts: readonly string[],
  { tokenizer, pooling = "mean", maxLength, ...options }: EmbedTextOptions,
): Promise<Float32Array[]> {
  const vectors = (batch: ModelInputs): tf.Tensor => {
    if ("textFeatures" in model) return model.textFeatures(batch);
    const output = model.forward(batch);
    return pooling === "first" ? firstToken(output) : meanOf(ownTokens(output, batch), batch.attentionMask!);
  };
  const inputs = tokenizer.encode(texts, { maxLength });
  model.checkInputs(inputs);
  return vectorsOf(model, inputs, `text ${pooling}`, vectors, options);
}

/** The mean over the tokens that are no padding: [batch, tokens, H] to [batch, H]. */
function meanOf(x: tf.Tensor, attentionMask: tf.Tensor): tf.Tensor {
  const real = tf.cast(tf.expandDims(attentionMask, -1), "float32");
  return tf.div(tf.sum(tf.mul(x, real), 1), tf.sum(real, 1));
}
