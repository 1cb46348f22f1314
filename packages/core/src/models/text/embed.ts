// What a text means as a vector, in one call.

import * as tf from "@tensorflow/tfjs";
import { type ByName, compileByName } from "../../engine/compileByName.js";
import type { TextUse } from "./callText.js";
import { firstToken, ownTokens, type TextModel } from "./model.js";

export interface EmbedOptions extends TextUse {
  /** The mean over a text's tokens, as most sentence encoders want it, or the first token. @defaultValue "mean" */
  readonly pooling?: "mean" | "first";
  /** Whether vectors are brought to length 1, so that their products are cosines. @defaultValue true */
  readonly normalize?: boolean;
}

type Pooling = Required<Pick<EmbedOptions, "pooling" | "normalize">>;

const calls = new WeakMap<TextModel, Map<string, ByName<tf.Tensor>>>();

/**
 * The vector of each text, [H].
 *
 * @throws PeftError ARGUMENT_INVALID for no texts
 */
export async function embed(
  model: TextModel,
  texts: readonly string[],
  { tokenizer, pooling = "mean", normalize = true, maxLength }: EmbedOptions,
): Promise<Float32Array[]> {
  const inputs = tokenizer.encode(texts, { maxLength });
  const names = Object.keys(inputs).sort();
  const vectors = await compiled(model, { pooling, normalize })(names)(...names.map((name) => inputs[name]!));
  const data = await vectors.data<"float32">();
  const width = vectors.shape.at(-1)!;
  vectors.dispose();
  return texts.map((_, row) => data.slice(row * width, (row + 1) * width));
}

/** The function of a model and of how it is pooled, compiled once. */
function compiled(model: TextModel, { pooling, normalize }: Pooling): ByName<tf.Tensor> {
  const own = calls.get(model) ?? new Map<string, ByName<tf.Tensor>>();
  calls.set(model, own);
  const key = `${pooling} ${normalize}`;
  const made =
    own.get(key) ??
    compileByName((batch) => {
      const output = model.forward(batch);
      const pooled =
        pooling === "first" ? firstToken(output) : meanOf(ownTokens(output, batch), batch.attentionMask as tf.Tensor);
      return normalize ? tf.div(pooled, tf.sqrt(tf.sum(tf.square(pooled), -1, true))) : pooled;
    });
  own.set(key, made);
  return made;
}

/** The mean over the tokens that are no padding: [batch, tokens, H] to [batch, H]. */
function meanOf(x: tf.Tensor, attentionMask: tf.Tensor): tf.Tensor {
  const real = tf.cast(tf.expandDims(attentionMask, -1), "float32");
  return tf.div(tf.sum(tf.mul(x, real), 1), tf.sum(real, 1));
}
