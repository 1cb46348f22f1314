// An engine's account of the parameters whose numbers it holds: freed with their parameter, brought home when another
// engine takes over.

import type { Parameter, Storage } from "./parameter.js";

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

  /** Gives every parameter its numbers back. */
  async release(): Promise<void> {
    for (const [storage, owner] of [...this.#owners]) {
      const parameter = owner.deref();
      const host = parameter ? await storage.read() : undefined;
      storage.dispose();
      if (host) parameter?.rebind({ host });
    }
  }
}
