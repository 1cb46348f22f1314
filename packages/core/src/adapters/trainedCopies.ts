// Parameters of the host that are trained themselves (a head, biases, everything): the adapter holds a copy, which stands
// in the host's place while the adapter is active. The host's own numbers are never touched.

import type { Parameter } from "../engine/index.js";
import type { HostModel } from "../models/index.js";
import { type Slot, slots } from "../nn/index.js";
import { type HeadInit, newHead } from "./headInit.js";
import { savedModules, savedParameters } from "./savedModules.js";
import type { Part } from "./wrap.js";

interface Copy {
  readonly slot: Slot;
  readonly original: Parameter;
  readonly copy: Parameter;
}

/** Stand-ins for some of a host's parameters; not in their places before `setActive(true)`. */
export class TrainedCopies implements Part {
  /** The copies, by the host's names. */
  readonly parameters: ReadonlyMap<string, Parameter>;
  readonly #copies: readonly Copy[];

  /** @param make the copy of a parameter; the parameter itself if it is to be trained in place */
  constructor(
    host: HostModel,
    names: Iterable<string>,
    make: (original: Parameter) => Parameter = (parameter) => parameter.clone(),
  ) {
    const places = slots(host);
    this.#copies = [...names].map((name) => {
      const slot = places.get(name)!;
      const original = slot.get() as Parameter;
      return { slot, original, copy: make(original) };
    });
    this.parameters = new Map(this.#copies.map(({ slot, copy }) => [slot.path, copy]));
  }

  setActive(active: boolean): void {
    for (const { slot, original, copy } of this.#copies) {
      if (active) slot.set(copy);
      // Another adapter's copy may be there by now.
      else if (slot.get() === copy) slot.set(original);
    }
  }

  detach({ keepMerged = false }: { keepMerged?: boolean } = {}): void {
    // A copy that is kept is in its place already, or under what another part has merged upon it.
    if (!keepMerged) this.setActive(false);
    for (const { original, copy } of this.#copies) if (copy !== original) (keepMerged ? original : copy).dispose();
  }
}

export interface ModulesToSave {
  readonly modulesToSave?: readonly string[] | null;
  readonly headInit: HeadInit;
}

/**
 * Copies of every parameter of the modules to be saved with the adapter; of the head as `headInit` says.
 *
 * @param otherwise how the others' copies are made
 * @throws PeftError TARGET_NOT_FOUND for a module that is not there; TARGET_UNSUPPORTED for one with tied weights
 */
export function copyModulesToSave(
  host: HostModel,
  config: ModulesToSave,
  seed: number,
  otherwise?: (original: Parameter) => Parameter,
): TrainedCopies {
  const names = savedParameters(host, savedModules(host, config.modulesToSave));
  return new TrainedCopies(host, names, startingFrom(host, config.headInit, seed, otherwise));
}

/** Makes copies, of the head as `headInit` says. @param otherwise of the rest */
export function startingFrom(
  host: HostModel,
  headInit: HeadInit,
  seed: number,
  otherwise: (original: Parameter) => Parameter = (parameter) => parameter.clone(),
): (original: Parameter) => Parameter {
  const isHead = (name: string) => host.headPath !== undefined && name.startsWith(`${host.headPath}.`);
  return (original) =>
    headInit !== "keep" && isHead(original.name) ? newHead(original, headInit, seed) : otherwise(original);
}
