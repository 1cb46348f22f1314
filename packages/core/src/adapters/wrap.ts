// Putting a function around a module's forward pass, by the module's path, without the host noticing: names of modules
// and parameters stay as they are, and taking the last function off puts the same module object back.

import type * as tf from "@tensorflow/tfjs";
import { Module, type Slot } from "../nn/index.js";

/** What becomes of a module's forward pass. `forward` is what was there before. */
export type Around = (forward: (...inputs: tf.Tensor[]) => tf.Tensor, ...inputs: tf.Tensor[]) => tf.Tensor;

/** A part of an attachment, which can be switched off and taken off. */
export interface Part {
  setActive(active: boolean): void;
  detach(options?: { keepMerged?: boolean }): void;
}

/** Stands in a module's place. Shows the module's fields as its own, so that a walk over the host finds the same names. */
class Wrapped extends Module {
  readonly #base: Module;
  readonly #layers: { around: Around; active: boolean }[] = [];

  constructor(base: Module) {
    super();
    this.#base = base;
    this.path = base.path;
    for (const name of Object.keys(base).filter((key) => key !== "path")) {
      Object.defineProperty(this, name, {
        enumerable: true,
        get: () => base[name as keyof Module],
        set: (value: never) => {
          base[name as keyof Module] = value;
        },
      });
    }
  }

  static baseOf(module: Module): Module {
    return module instanceof Wrapped ? module.#base : module;
  }

  override forward(...inputs: tf.Tensor[]): tf.Tensor {
    const base = this.#base as Module & { forward(...inputs: tf.Tensor[]): tf.Tensor };
    let forward = (...given: tf.Tensor[]): tf.Tensor => base.forward(...given);
    for (const { around, active } of this.#layers) {
      if (!active) continue;
      const inner = forward;
      forward = (...given) => around(inner, ...given);
    }
    return forward(...inputs);
  }

  add(around: Around, slot: Slot): Part {
    const layer = { around, active: true };
    this.#layers.push(layer);
    return {
      setActive: (active) => {
        layer.active = active;
      },
      detach: () => {
        const index = this.#layers.indexOf(layer);
        if (index >= 0) this.#layers.splice(index, 1);
        if (this.#layers.length === 0 && slot.get() === this) slot.set(this.#base);
      },
    };
  }
}

/** Puts a function around the forward pass of the module in a slot (`slots(host).get(path)`), outside of those there. */
export function wrap(slot: Slot, around: Around): Part {
  const module = slot.get() as Module;
  const wrapped = module instanceof Wrapped ? module : new Wrapped(module);
  if (wrapped !== module) slot.set(wrapped);
  return wrapped.add(around, slot);
}

/** The host's own module, where something was put around it. */
export function unwrap(module: Module): Module {
  return Wrapped.baseOf(module);
}
