// The attention cache of a decoder that makes its tokens one after another: the keys and values of the tokens before, and
// those of the encoder's output, which stay where the engine computes. Attention modules ask for the cache in force, as
// dropout asks whether this is a training step; so a decoder runs with it whatever adapters were put around its modules.

import * as tf from "@tensorflow/tfjs";
import { Parameter } from "../../engine/index.js";
import { PeftError } from "../../errors.js";

export interface KeysAndValues {
  /** [batch, tokens, heads * width] */
  readonly keys: tf.Tensor;
  /** [batch, tokens, heads * width] */
  readonly values: tf.Tensor;
}

/** What of a step is not the same for all steps, as tensors. */
export interface StepPlace {
  /** The token's place, counted from the start token: [1] int32. */
  readonly position: tf.Tensor;
  /** Which row each row goes on from, [rows] int32: beams. Absent where each goes on from itself. */
  readonly order?: tf.Tensor;
}

interface Held {
  readonly keys: Parameter;
  readonly values: Parameter;
}

/**
 * The cache of `rows` sequences of at most `length` tokens. Its parameters are made when a decoder first asks for them, by
 * the path of the attention module, and keep their shapes: steps of any place are one graph.
 */
export class AttentionCache {
  readonly #own = new Map<string, Held>();
  readonly #memory = new Map<string, Held>();
  #place: StepPlace | undefined;

  constructor(
    readonly rows: number,
    readonly length: number,
  ) {}

  /** Runs a decoder over the encoder's output, whose keys and values are kept; the tokens before are forgotten. */
  fill<T>(body: () => T): T {
    return this.#during(undefined, body);
  }

  /** Runs a decoder over the token at a place, which sees those before it. */
  step<T>(place: StepPlace, body: () => T): T {
    return this.#during(place, body);
  }

  /** The place of the step at work; undefined while the cache is filled. */
  get place(): StepPlace | undefined {
    return this.#place;
  }

  /** The places that a step sees: [1, length] int32, 1 or 0. */
  visible({ position }: StepPlace): tf.Tensor {
    const seen = tf.lessEqual(tf.range(0, this.length, 1, "int32"), position);
    return tf.reshape(tf.cast(seen, "int32"), [1, this.length]);
  }

  /** Keys and values of all tokens so far, those of the newest given: [rows, 1, width] to [rows, length, width]. */
  append(path: string, newest: KeysAndValues): KeysAndValues {
    const held = this.#of(this.#own, path, newest, [this.rows, this.length]);
    const place = this.#place;
    if (!place) {
      for (const parameter of [held.keys, held.values]) parameter.assign(tf.zeros([...parameter.shape]));
      return newest;
    }
    const here = tf.equal(tf.range(0, this.length, 1, "int32"), place.position);
    const mark = tf.reshape(tf.cast(here, "float32"), [1, this.length, 1]);
    // A place is 0 until it is written, so that writing it is a sum, which the engine does over the old numbers.
    const written = (parameter: Parameter, row: tf.Tensor): tf.Tensor => {
      const old = parameter.value();
      const sum = tf.add(place.order ? tf.gather(old, place.order) : old, tf.mul(mark, row));
      parameter.assign(sum);
      return parameter.value();
    };
    return { keys: written(held.keys, newest.keys), values: written(held.values, newest.values) };
  }

  /** Keys and values of the encoder's output, [batch, tokens, width]. @param make computes them when the cache is filled */
  remember(path: string, make: () => KeysAndValues): KeysAndValues {
    if (!this.#place) {
      const made = make();
      const held = this.#of(this.#memory, path, made, made.keys.shape.slice(0, 2));
      held.keys.assign(made.keys);
      held.values.assign(made.values);
      return made;
    }
    const held = this.#memory.get(path);
    if (held) return { keys: held.keys.value(), values: held.values.value() };
    throw new PeftError("ENGINE_GRAPH_INVALID", "a decoding step before the cache was filled", { place: path });
  }

  dispose(): void {
    for (const held of [...this.#own.values(), ...this.#memory.values()]) {
      held.keys.dispose();
      held.values.dispose();
    }
  }

  #of(holder: Map<string, Held>, path: string, like: KeysAndValues, lead: readonly number[]): Held {
    const known = holder.get(path);
    if (known) return known;
    const make = (what: string, { shape }: tf.Tensor): Parameter =>
      Parameter.zeros([...lead, shape[2]!], { name: `${path}.${what}` });
    const made = { keys: make("keys", like.keys), values: make("values", like.values) };
    holder.set(path, made);
    return made;
  }

  #during<T>(place: StepPlace | undefined, body: () => T): T {
    const state = decodingState();
    const before = state.cache;
    state.cache = this;
    this.#place = place;
    try {
      return body();
    } finally {
      state.cache = before;
    }
  }
}

/** The cache in force while a decoder runs by steps; undefined where it runs over whole sequences. */
export function attentionCache(): AttentionCache | undefined {
  return decodingState().cache;
}

const KEY = Symbol.for("@peft/core.decoding");

/** Once in a process: a method built on the CommonJS copy of this library may run a host of the other. */
function decodingState(): { cache?: AttentionCache } {
  const holder = globalThis as { [KEY]?: { cache?: AttentionCache } };
  holder[KEY] ??= {};
  return holder[KEY];
}
