// What texts are, in one call.

import type { CallableModel, TextUse } from "./call.js";
import { type Classification, type ClassifyOptions, classesOf } from "./classes.js";

export interface ClassifyTextOptions extends ClassifyOptions, TextUse {
  /** The second texts of pairs, as many as there are texts. */
  readonly pairs?: readonly string[];
}

/**
 * Names what each text is, or each pair of texts, the likeliest first.
 *
 * @param model such as a `RobertaForSequenceClassification`
 * @throws PeftError ARGUMENT_INVALID for no texts, or pairs of another count
 */
export async function classifyText(
  model: CallableModel,
  texts: readonly string[],
  { tokenizer, pairs, maxLength, ...options }: ClassifyTextOptions,
): Promise<Classification[][]> {
  return classesOf(model, tokenizer.encode(texts, { pairs, maxLength }), options);
}
