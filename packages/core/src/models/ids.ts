// What models say about ids that they have no row for, and about classes that they do not have. An engine would stop at some
// of them, and count others from the end.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";
import type { HostArray } from "../hostArray.js";
import type { ModelArguments } from "./hostModel.js";
import { type ProblemType, problemOf } from "./sequenceLoss.js";

/** A label that does not count. */
const IGNORED = -100;

/**
 * Looks at ids whose numbers are on the host.
 *
 * @param rows of the tables, by the inputs that are looked up in them; `labels` may be -100 as well
 * @throws PeftError DATA_INVALID for an id outside of its table, with the row and the place in it
 */
export function checkIds(inputs: ModelArguments, rows: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(rows)) {
    const given = inputs[name];
    if (!given || !isHostArray(given)) continue;
    const isKnown = (id: number): boolean => (id >= 0 && id < count) || (name === "labels" && id === IGNORED);
    const at = given.data.findIndex((id: number) => !isKnown(id));
    if (at < 0) continue;
    throw new PeftError("DATA_INVALID", `${name} has ${given.data[at]}, and the model's table has ${count} rows`, {
      place: placeOf(at, given),
      hint: "use the tokenizer that belongs to the checkpoint",
    });
  }
}

/**
 * Looks at a classifier's `labels` whose numbers are on the host: [batch], or [batch, tokens]. Only class numbers are looked
 * at; -100 is for what does not count.
 *
 * @param problem that the config names
 * @throws PeftError DATA_INVALID for a class that there is not, with the row
 */
export function checkClasses(inputs: ModelArguments, classes: number, problem?: ProblemType): void {
  const { labels } = inputs;
  if (!labels || !isHostArray(labels) || labels.dtype !== "int32") return;
  if (problemOf(problem, classes, labels) !== "single_label_classification") return;
  const at = labels.data.findIndex((label: number) => !((label >= 0 && label < classes) || label === IGNORED));
  if (at < 0) return;
  throw new PeftError("DATA_INVALID", `labels has ${labels.data[at]}, and the model has ${classes} classes`, {
    place: placeOf(at, labels),
    hint: `classes are numbered from 0 to ${classes - 1}; a split whose labels are -1 has none to learn from`,
  });
}

function placeOf(at: number, { shape }: HostArray): string {
  if (shape.length < 2) return `row ${at}`;
  const tokens = shape.at(-1)!;
  return `row ${Math.floor(at / tokens)}, token ${at % tokens}`;
}

function isHostArray(given: ModelArguments[string]): given is HostArray {
  return !(given instanceof tf.Tensor);
}
