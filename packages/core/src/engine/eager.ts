// The eager engine: the same functions, op by op, on whichever TensorFlow.js backend is set. For debugging, for small
// work, and as the oracle of the compiled engine's tests.

import * as tf from "@tensorflow/tfjs";
import { type Distribution, drawDType, fill, type RandomKey } from "./draw.js";
import type { Argument, CompiledState, Engine, EngineInfo, Outputs } from "./engine.js";
import { Holdings } from "./holdings.js";
import { mapOutputs } from "./outputs.js";
import type { Parameter, ParameterData, Storage } from "./parameter.js";

class TensorStorage implements Storage {
  constructor(
    public current: tf.Tensor,
    readonly holdings: Holdings<TensorStorage>,
  ) {}

  tensor(): tf.Tensor {
    return this.current;
  }

  assign(tensor: tf.Tensor): void {
    const old = this.current;
    this.current = tf.keep(tf.clone(tensor));
    old.dispose();
  }

  async read(): Promise<ParameterData> {
    return (await this.current.data()).slice() as ParameterData;
  }

  copy(owner: Parameter): Storage {
    return this.holdings.add(new TensorStorage(tf.keep(tf.clone(this.current)), this.holdings), owner);
  }

  dispose(): void {
    this.holdings.remove(this);
    this.current.dispose();
  }
}

export class EagerEngine implements Engine {
  readonly info: EngineInfo;
  readonly #holdings = new Holdings<TensorStorage>();
  /** Sites drawn from in the call in progress; undefined outside a call. */
  #call: { key: RandomKey; sites: Map<string, number> } | undefined;

  constructor(backend: string) {
    this.info = { engine: "eager", device: backend };
  }

  bind(parameter: Parameter): Storage {
    const tensor = tf.keep(tf.tensor(parameter.takeHost(), [...parameter.shape], parameter.dtype));
    return this.#holdings.add(new TensorStorage(tensor, this.#holdings), parameter);
  }

  async release(): Promise<void> {
    await this.#holdings.release();
  }

  async call(state: CompiledState, args: readonly Argument[], key: RandomKey): Promise<Outputs> {
    this.#call = { key, sites: new Map() };
    try {
      return tf.tidy(() => {
        const tensors = args.map((a) => (a instanceof tf.Tensor ? a : tf.tensor(a.data, [...a.shape], a.dtype)));
        const outputs = state.fn(...tensors);
        // An argument or a parameter that is returned unchanged must not be disposed of with the result.
        return mapOutputs(outputs, (tensor) => tf.clone(tensor)) as tf.TensorContainer;
      }) as Outputs;
    } finally {
      this.#call = undefined;
    }
  }

  draw(site: string, shape: readonly number[], distribution: Distribution): tf.Tensor {
    const call = this.#call ?? { key: { seed: 0, step: 0 }, sites: new Map<string, number>() };
    const seen = call.sites.get(site) ?? 0;
    call.sites.set(site, seen + 1);
    const unique = seen === 0 ? site : `${site}#${seen}`;
    const data = fill({ site: unique, shape, distribution }, call.key);
    return tf.tensor(data, [...shape], drawDType(distribution));
  }
}
