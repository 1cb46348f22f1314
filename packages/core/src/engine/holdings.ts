// An engine's account of the parameters whose numbers it holds: freed with their parameter, brought home when another
// engine takes over.

import { PeftError } from "../errors.js";
import type { HostNumbers, Parameter, Storage } from "./parameter.js";

export class Holdings<S extends Storage> {
  readonly #owners = new Map<S, WeakRef<Parameter>>();
  /** A parameter that nobody can reach any more takes its numbers with it. */
  readonly #forgotten = new FinalizationRegistry<S>((storage) => storage.dispose());

  add(storage: S, owner: Parameter): S {
    this.#owners.set(storage, new WeakRef(owner));
    this.#forgotten.register(owner, storage);
    return storage;
  }

  remove(storage: S): void {
    this.#owners.delete(storage);
  }

  /** Gives every parameter its numbers back. Where they cannot be read any more, the parameter throws at its next use. */
  async release(): Promise<void> {
    for (const [storage, owner] of [...this.#owners]) {
      const parameter = owner.deref();
      const host = parameter && (await storage.read().catch(lost));
      storage.dispose();
      if (host) parameter.rebind({ host });
    }
  }
}

/** Numbers that went with their device. */
function lost(cause: Error): HostNumbers {
  return (name) => {
    throw new PeftError("ENGINE_DEVICE_FAILED", `the parameter's numbers are lost: ${cause.message}`, {
      place: name,
      hint: "load the model again",
      cause,
    });
  };
}
