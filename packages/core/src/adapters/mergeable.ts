// A parameter of the host into which an adapter can be folded: the folded numbers stand beside the host's own, in their
// slot, so that taking them out again is exact.

import * as tf from "@tensorflow/tfjs";
import { compile, Parameter } from "../engine/index.js";
import { PeftError } from "../errors.js";
import type { Slot } from "../nn/index.js";
import type { Part } from "./wrap.js";

/** A parameter in its slot: the host's own, or the merged one beside it. */
export class MergeableParameter implements Part {
  readonly #slot: Slot;
  #original?: Parameter;
  #merged?: Parameter;

  /** @param slot of the parameter */
  constructor(slot: Slot) {
    this.#slot = slot;
  }

  get isMerged(): boolean {
    return this.#merged !== undefined;
  }

  /** Inside a function that runs on the engine: the numbers as they stand. */
  value(): tf.Tensor {
    return (this.#slot.get() as Parameter).value();
  }

  /** Another parameter like it, for merged numbers. */
  successor(): Parameter {
    const { shape, name } = this.#slot.get() as Parameter;
    return Parameter.zeros(shape, { name });
  }

  /** Puts merged numbers in the place of the host's. */
  merge(merged: Parameter): void {
    this.#original = this.#slot.get() as Parameter;
    this.#merged = merged;
    this.setActive(true);
  }

  unmerge(): void {
    this.setActive(false);
    this.#merged?.dispose();
    this.#merged = undefined;
  }

  setActive(active: boolean): void {
    if (!this.#merged) return;
    if (active) this.#slot.set(this.#merged);
    else if (this.#slot.get() === this.#merged) this.#slot.set(this.#original!);
  }

  detach({ keepMerged = false }: { keepMerged?: boolean } = {}): void {
    if (!keepMerged) this.unmerge();
    else if (this.#merged) this.#original?.dispose();
    this.#merged = undefined;
  }
}

/** Parameters to be folded into, each with how its new numbers come from those that are there, on the engine. */
export type Merges = readonly (readonly [MergeableParameter, (value: tf.Tensor) => tf.Tensor])[];

/**
 * Computes all before the first is put in place, so that an error leaves the host as it is.
 *
 * @throws PeftError MERGE_NAN naming the parameter that would not be finite
 */
export async function mergeAll(merges: Merges): Promise<void> {
  const merged = merges.map(([parameter]) => parameter.successor());
  const fold = compile(() => {
    const sums = merges.map(([parameter, fold], i) => {
      const folded = fold(parameter.value());
      merged[i]!.assign(folded);
      // Finite where all of them are: no weight is so large that a sum overflows.
      return tf.sum(folded);
    });
    return tf.stack(sums);
  });
  try {
    const sums = await fold();
    const wrong = (await sums.data()).findIndex((sum) => !Number.isFinite(sum));
    sums.dispose();
    if (wrong >= 0) {
      throw new PeftError("MERGE_NAN", "merging gives numbers that are not finite", {
        place: merged[wrong]!.name,
        hint: "the adapter's or the host's weights hold NaN or infinite numbers; nothing was changed",
      });
    }
  } catch (error) {
    for (const parameter of merged) parameter.dispose();
    throw error;
  }
  for (const [i, [parameter]] of merges.entries()) parameter.merge(merged[i]!);
}

export function unmergeAll(merges: Merges): void {
  for (const [parameter] of merges) parameter.unmerge();
}
