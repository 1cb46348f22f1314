// What goes into a text encoder.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../../errors.js";
import { cumsum } from "../../ops/index.js";
import type { ModelInputs } from "../hostModel.js";
import type { TextConfig } from "./config.js";

/** How many tokens a text may have: RoBERTa's first rows of the position table stand for no place. */
export function maxTokens({ modelType, maxPositionEmbeddings, padTokenId }: TextConfig): number {
  return modelType === "roberta" ? maxPositionEmbeddings - padTokenId - 1 : maxPositionEmbeddings;
}

/** How many rows the tables have that the inputs are looked up in. */
export function tableRows(config: TextConfig): Record<string, number> {
  return {
    inputIds: config.vocabSize,
    tokenTypeIds: config.typeVocabSize,
    positionIds: config.maxPositionEmbeddings,
  };
}

/**
 * @param virtual how many places are taken by prompts and prefixes
 * @throws PeftError SHAPE_MISMATCH for ids that are not [batch, tokens], too many tokens, or inputs of another shape
 */
export function checkShapes(inputs: ModelInputs, config: TextConfig, place: string, virtual: number): void {
  const { inputIds } = inputs;
  const most = maxTokens(config) - virtual;
  if (inputIds?.rank !== 2) {
    throw new PeftError("SHAPE_MISMATCH", `inputIds must be [batch, tokens], got [${inputIds?.shape ?? "nothing"}]`, {
      place,
      hint: "loadTokenizer(folder) makes inputIds and attentionMask of texts",
    });
  }
  if (inputIds.shape[1]! > most) {
    throw new PeftError("SHAPE_MISMATCH", `a text of ${inputIds.shape[1]} tokens, and the model takes ${most}`, {
      place,
      hint: `cut it: encode(texts, { maxLength: ${most} })`,
    });
  }
  for (const name of ["attentionMask", "tokenTypeIds", "positionIds"]) {
    const shape = inputs[name]?.shape;
    if (shape && shape.join() !== inputIds.shape.join()) {
      throw new PeftError("SHAPE_MISMATCH", `${name} is [${shape}], and inputIds [${inputIds.shape}]`, { place });
    }
  }
}

/**
 * The rows of the position table: [1 or batch, prompts + tokens]. With prompts all are in order, as transformers has it for
 * vectors that are not of ids; prefixes before the first token move the others on.
 */
export function placesOf(
  { inputIds, positionIds }: ModelInputs,
  { modelType, padTokenId }: TextConfig,
  { prompts, past }: { prompts: number; past: number },
): tf.Tensor {
  if (positionIds && prompts === 0) return positionIds;
  const isRoberta = modelType === "roberta";
  if (isRoberta && prompts === 0) return placesBesidePadding(inputIds!, padTokenId, past);
  const first = past + (isRoberta ? padTokenId + 1 : 0);
  const count = prompts + inputIds!.shape[1]!;
  return tf.reshape(tf.range(first, first + count, 1, "int32"), [1, count]);
}

/** The segment of each token, [1 or batch, 1 or prompts + tokens]. */
export function typesOf({ tokenTypeIds }: ModelInputs, prompts: number): tf.Tensor {
  if (!tokenTypeIds) return tf.zeros([1, 1], "int32");
  if (prompts === 0) return tokenTypeIds;
  const [batch] = tokenTypeIds.shape as [number, number];
  return tf.concat([tf.zeros([batch, prompts], "int32"), tf.cast(tokenTypeIds, "int32")], 1);
}

/**
 * RoBERTa's places: padding gets the padding id, and the tokens beside it are counted from the row after that, wherever the
 * padding is: [batch, tokens].
 */
export function placesBesidePadding(inputIds: tf.Tensor, padTokenId: number, past = 0): tf.Tensor {
  const real = tf.cast(tf.notEqual(tf.cast(inputIds, "int32"), tf.scalar(padTokenId, "int32")), "int32");
  const counted = cumsum(real, 1);
  const moved = past === 0 ? counted : tf.add(counted, tf.scalar(past, "int32"));
  return tf.add(tf.mul(moved, real), tf.scalar(padTokenId, "int32"));
}
