// Decoding token by token on the engine: one compiled function that reads the source, and one that makes a step. Lengths are
// rounded up to a few sizes and hidden by masks, so that a few graphs serve every call.

import * as tf from "@tensorflow/tfjs";
import { type ByName, compileByName } from "../engine/compileByName.js";
import type { HostArray } from "../hostArray.js";
import { AttentionCache, type Trainable } from "../models/index.js";

/** The smallest size that a length is rounded up to; the next ones are twice, four times, ... as much. */
const LEAST_SIZE = 16;
/** Caches that are kept for the next call, of each model. */
const MAX_IDLE = 4;

export function paddedLength(length: number, most: number = Number.POSITIVE_INFINITY): number {
  let size = LEAST_SIZE;
  while (size < length) size *= 2;
  return Math.min(size, Math.max(length, most));
}

export interface DecoderShape {
  /** Samples. */
  readonly batch: number;
  /** Sequences, a whole number of them for each sample. */
  readonly rows: number;
  /** Places of the source, rounded up. */
  readonly source: number;
  /** Tokens of a sequence at most, rounded up. */
  readonly length: number;
}

/** Inputs by name, [batch, ...] each, without the decoder's. */
export type SourceInputs = Readonly<Record<string, HostArray>>;

export class CachedDecoder {
  readonly #cache: AttentionCache;
  readonly #fill: ByName<Record<string, tf.Tensor>>;
  readonly #step: ByName<tf.Tensor>;

  constructor(
    model: Trainable,
    readonly shape: DecoderShape,
  ) {
    const cache = new AttentionCache(shape.rows, shape.length);
    this.#cache = cache;
    this.#fill = compileByName((inputs) => {
      // The decoder runs for the sake of its attention to the source; which token it reads does not matter.
      const decoderInputIds = tf.zeros([shape.batch, 1], "int32");
      cache.fill(() => model.forward({ ...inputs, decoderInputIds }));
      return {};
    });
    this.#step = compileByName(({ position, order, ...inputs }) => {
      const { logits } = cache.step({ position: position!, order }, () => model.forward(inputs));
      return tf.reshape(logits, [shape.rows, logits.shape[2]!]);
    });
  }

  /** Reads the source. */
  async read(inputs: SourceInputs): Promise<void> {
    const names = Object.keys(inputs).sort();
    await this.#fill(names)(...names.map((name) => inputs[name]!));
  }

  /**
   * The logits of the next tokens, one row after another.
   *
   * @param inputs those that the source was read with, without its tokens
   * @param tokens the newest of each row
   * @param position theirs, counted from the start token
   * @param order which row each row goes on from; not given where each goes on from itself
   */
  async step(
    inputs: SourceInputs,
    tokens: readonly number[],
    position: number,
    order?: readonly number[],
  ): Promise<Float32Array[]> {
    const ints = (data: readonly number[], shape: readonly number[]): HostArray => ({
      data: Int32Array.from(data),
      shape,
      dtype: "int32",
    });
    const all: Record<string, HostArray> = {
      ...inputs,
      decoderInputIds: ints(tokens, [tokens.length, 1]),
      position: ints([position], [1]),
      ...(order && { order: ints(order, [order.length]) }),
    };
    const names = Object.keys(all).sort();
    const logits = await this.#step(names)(...names.map((name) => all[name]!));
    const numbers = (await logits.data()) as Float32Array;
    logits.dispose();
    const vocabulary = numbers.length / this.shape.rows;
    return Array.from({ length: this.shape.rows }, (_, row) => {
      return numbers.subarray(row * vocabulary, (row + 1) * vocabulary);
    });
  }

  dispose(): void {
    this.#cache.dispose();
  }
}

const idle = new WeakMap<Trainable, CachedDecoder[]>();

/** Runs the body with a decoder of its own, of the calls before where one has the shape; two calls never share one. */
export async function withDecoder<T>(
  model: Trainable,
  shape: DecoderShape,
  body: (decoder: CachedDecoder) => Promise<T>,
): Promise<T> {
  const kept = idle.get(model) ?? [];
  idle.set(model, kept);
  const wanted = Object.values(shape).join();
  const at = kept.findIndex((one) => Object.values(one.shape).join() === wanted);
  const decoder = at >= 0 ? kept.splice(at, 1)[0]! : new CachedDecoder(model, shape);
  try {
    return await body(decoder);
  } finally {
    kept.push(decoder);
    if (kept.length > MAX_IDLE) kept.shift()!.dispose();
  }
}
