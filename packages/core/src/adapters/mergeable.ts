// A parameter of the host into which an adapter can be folded: the folded numbers stand beside the host's own, in their
// slot, so that taking them out again is exact.

import { Parameter, type ParameterData } from "../engine/index.js";
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

  /** The numbers, which are not to be changed: those on the host are not copied. */
  async read(): Promise<ParameterData> {
    const parameter = this.#slot.get() as Parameter;
    return parameter.peek() ?? parameter.read();
  }

  /** Puts merged numbers in the place of the host's. */
  merge(data: Float32Array): void {
    this.#original = this.#slot.get() as Parameter;
    this.#merged = new Parameter(this.#original.shape, data, { name: this.#original.name });
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

/** Parameters to be folded into, each with how its new numbers come from those that are there. */
export type Merges = readonly (readonly [MergeableParameter, (data: ParameterData) => Promise<Float32Array>])[];

/** Computes all before the first is put in place, so that an error leaves the host as it is. */
export async function mergeAll(merges: Merges): Promise<void> {
  const merged: Float32Array[] = [];
  for (const [parameter, fold] of merges) merged.push(await fold(await parameter.read()));
  for (const [i, [parameter]] of merges.entries()) parameter.merge(merged[i]!);
}

export function unmergeAll(merges: Merges): void {
  for (const [parameter] of merges) parameter.unmerge();
}
