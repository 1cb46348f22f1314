// What a text is, in one call.

import type { Classification } from "../classify.js";
import type { ProblemType } from "../sequenceLoss.js";
import { softmax } from "../softmax.js";
import { type CallableTextModel, logitsOf, type TextUse } from "./callText.js";

export interface ClassifyTextOptions extends TextUse {
  /** Class names in the order of the logits: the host's `config.labels`. */
  readonly labels: readonly string[];
  /** The second texts of pairs, as many as there are texts. */
  readonly pairs?: readonly string[];
  /** With several labels at once, each has a probability of its own. @defaultValue one label a text */
  readonly problemType?: Exclude<ProblemType, "regression">;
}

/**
 * Names what each text is, or each pair of texts: all classes, the likeliest first.
 *
 * @throws PeftError ARGUMENT_INVALID for no texts, or pairs of another count
 */
export async function classifyText(
  model: CallableTextModel,
  texts: readonly string[],
  { tokenizer, labels, pairs, maxLength, problemType }: ClassifyTextOptions,
): Promise<Classification[][]> {
  const { data, shape } = await logitsOf(model, tokenizer.encode(texts, { pairs, maxLength }));
  const classes = shape.at(-1)!;
  return texts.map((_, row) => {
    const numbers = data.subarray(row * classes, (row + 1) * classes);
    const several = problemType === "multi_label_classification";
    const scores = several ? Array.from(numbers, (x) => 1 / (1 + Math.exp(-x))) : softmax(numbers);
    return scores.map((score, i) => ({ label: labels[i] ?? `LABEL_${i}`, score })).sort((a, b) => b.score - a.score);
  });
}
