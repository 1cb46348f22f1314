// From a classifier's logits to classes by name, the likeliest first.

import type { ModelArguments } from "../hostModel.js";
import type { ProblemType } from "../sequenceLoss.js";
import { type CallableModel, logitsOf } from "./call.js";
import { softmax } from "./softmax.js";

/** A class and its probability. */
export interface Classification {
  readonly label: string;
  /** 0 to 1; over all classes they add up to 1, unless each is a question of its own. */
  readonly score: number;
}

export interface ClassifyOptions {
  /** Class names in the order of the logits: the host's `config.labels`. */
  readonly labels: readonly string[];
  /** How many classes to give. @defaultValue 5 */
  readonly topK?: number;
  /** With several labels at once, each has a probability of its own. @defaultValue one label each */
  readonly problemType?: Exclude<ProblemType, "regression">;
}

/** The classes of each row of a batch. */
export async function classesOf(
  model: CallableModel,
  inputs: ModelArguments,
  { labels, topK = 5, problemType }: ClassifyOptions,
): Promise<Classification[][]> {
  const { data, shape } = await logitsOf(model, inputs);
  const classes = shape.at(-1)!;
  const several = problemType === "multi_label_classification";
  return Array.from({ length: data.length / classes }, (_, row) => {
    const numbers = data.subarray(row * classes, (row + 1) * classes);
    const scores = several ? Array.from(numbers, (x) => 1 / (1 + Math.exp(-x))) : softmax(numbers);
    return scores
      .map((score, i) => ({ label: labels[i] ?? `LABEL_${i}`, score }))
      .sort((a, b) => b.score - a.score)
      .slice(0, topK);
  });
}
