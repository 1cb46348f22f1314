// Which words fit into texts, in one call.

import { PeftError } from "../../errors.js";
import { type CallableModel, logitsOf, type TextUse } from "./call.js";
import { softmax } from "./softmax.js";

export interface FillMaskOptions extends TextUse {
  /** How many words to give for each mask. @defaultValue 5 */
  readonly topK?: number;
}

/** A word for a mask. */
export interface FilledWord {
  /** As the tokenizer writes it. */
  readonly token: string;
  readonly id: number;
  /** 0 to 1; over the whole vocabulary they add up to 1. */
  readonly score: number;
}

/**
 * The likeliest words for each mask of each text, such as "The [MASK] sleeps." for BERT or "The <mask> sleeps." for RoBERTa.
 *
 * @param model a masked language model
 * @returns for each text, for each of its masks in order, words, the likeliest first
 * @throws PeftError ARGUMENT_INVALID for a text without a mask, or for no texts; CONFIG_INVALID for a tokenizer that has no mask
 */
export async function fillMask(
  model: CallableModel,
  texts: readonly string[],
  { tokenizer, topK = 5, maxLength }: FillMaskOptions,
): Promise<FilledWord[][][]> {
  const mask = tokenizer.specialId("mask");
  const inputs = tokenizer.encode(texts, { maxLength });
  const ids = inputs.inputIds.data;
  const length = inputs.inputIds.shape[1]!;
  const places = texts.map((_, row) =>
    Array.from({ length }, (_, i) => row * length + i).filter((place) => ids[place] === mask),
  );
  const without = places.findIndex((own) => own.length === 0);
  if (without >= 0) {
    throw new PeftError("ARGUMENT_INVALID", `the text has no ${tokenizer.tokenOf(mask)}`, {
      place: `text ${without}`,
      hint: `write ${tokenizer.tokenOf(mask)} where a word is missing`,
    });
  }
  const { data, shape } = await logitsOf(model, inputs);
  const words = shape.at(-1)!;
  const likeliest = (place: number): FilledWord[] =>
    softmax(data.subarray(place * words, (place + 1) * words))
      .map((score, id) => ({ token: tokenizer.tokenOf(id) ?? `${id}`, id, score }))
      .sort((a, b) => b.score - a.score)
      .slice(0, topK);
  return places.map((own) => own.map(likeliest));
}
