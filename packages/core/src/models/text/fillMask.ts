// Which words fit into a text, in one call.

import { PeftError } from "../../errors.js";
import { softmax } from "../softmax.js";
import { type CallableTextModel, logitsOf, type TextUse } from "./callText.js";

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
 * The likeliest words for each mask of a text, such as "The [MASK] sleeps." for BERT or "The <mask> sleeps." for RoBERTa.
 *
 * @param model a masked language model
 * @returns for each mask, in the order of the text, its words, the likeliest first
 * @throws PeftError ARGUMENT_INVALID for a text without a mask; CONFIG_INVALID for a tokenizer that has none
 */
export async function fillMask(
  model: CallableTextModel,
  text: string,
  { tokenizer, topK = 5, maxLength }: FillMaskOptions,
): Promise<FilledWord[][]> {
  const mask = tokenizer.specialId("mask");
  const inputs = tokenizer.encode(text, { maxLength });
  const places = [...inputs.inputIds.data.entries()].filter(([, id]) => id === mask).map(([place]) => place);
  if (places.length === 0) {
    throw new PeftError("ARGUMENT_INVALID", `the text has no ${tokenizer.tokenOf(mask)}`, {
      hint: `write ${tokenizer.tokenOf(mask)} where a word is missing`,
    });
  }
  const { data, shape } = await logitsOf(model, inputs);
  const words = shape.at(-1)!;
  return places.map((place) => {
    const scores = softmax(data.subarray(place * words, (place + 1) * words));
    return scores
      .map((score, id) => ({ token: tokenizer.tokenOf(id) ?? `${id}`, id, score }))
      .sort((a, b) => b.score - a.score)
      .slice(0, topK);
  });
}
