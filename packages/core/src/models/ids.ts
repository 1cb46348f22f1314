// What models say about ids that they have no row for. An engine would stop at some of them, and count others from the end.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";
import type { HostArray } from "../hostArray.js";
import type { ModelArguments } from "./hostModel.js";

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
    const tokens = given.shape.at(-1) ?? 1;
    throw new PeftError("DATA_INVALID", `${name} has ${given.data[at]}, and the model's table has ${count} rows`, {
      place: `row ${Math.floor(at / tokens)}, token ${at % tokens}`,
      hint: "use the tokenizer that belongs to the checkpoint",
    });
  }
}

function isHostArray(given: ModelArguments[string]): given is HostArray {
  return !(given instanceof tf.Tensor);
}
