// Where adapters put tokens among a model's: prompts before the tokens of a stack, prefixes before the keys and values of an
// attention. A named place without parameters, as `Residual` is one for sums; the host asks how many tokens have come in.

import * as tf from "@tensorflow/tfjs";
import { Module } from "../nn/index.js";

/** Tokens to be put in. */
export interface Tokens {
  readonly count: number;
  /** [count, width], asked for in each forward pass. */
  value(): tf.Tensor;
}

/** Tokens in their place; not seen while they are switched off. */
export interface PutTokens {
  setActive(active: boolean): void;
  detach(): void;
  /** How many of the tokens that leave the place are before these. */
  readonly start: number;
}

export class TokenPlace extends Module {
  readonly #all: { readonly tokens: Tokens; active: boolean }[] = [];

  /**
   * @param width of a token
   * @param leading so many of the model's own tokens stay before those that are put in, such as a class token
   */
  constructor(
    readonly width: number,
    readonly leading: number = 0,
  ) {
    super();
  }

  /** How many tokens are put in. */
  get count(): number {
    return this.#active.reduce((sum, { tokens }) => sum + tokens.count, 0);
  }

  get #active(): readonly { readonly tokens: Tokens }[] {
    return this.#all.filter(({ active }) => active);
  }

  /** Puts tokens behind those that are there already, switched off at first. */
  put(tokens: Tokens): PutTokens {
    const own = { tokens, active: false };
    const all = this.#all;
    all.push(own);
    const before = (): number =>
      all.slice(0, all.indexOf(own)).reduce((sum, { active, tokens: { count } }) => sum + (active ? count : 0), 0);
    const { leading } = this;
    return {
      setActive: (active) => {
        own.active = active;
      },
      detach: () => {
        const index = all.indexOf(own);
        if (index >= 0) all.splice(index, 1);
      },
      get start() {
        return leading + before();
      },
    };
  }

  /** [batch, tokens, width] to [batch, count + tokens, width] */
  override forward(x: tf.Tensor): tf.Tensor {
    const put = this.#active.map(({ tokens }) => eachOf(x, tokens.value()));
    if (put.length === 0) return x;
    return insertTokens(x, put, this.leading, this.leading);
  }
}

/**
 * Other tokens in the place of some: those before `start` stay in front of them, those from `end` on behind them.
 *
 * @param x [batch, tokens, width]
 * @param put each [batch, some, width]
 */
export function insertTokens(x: tf.Tensor, put: readonly tf.Tensor[], start: number, end: number): tf.Tensor {
  const [batch, tokens, width] = x.shape as [number, number, number];
  const part = (from: number, to: number): tf.Tensor[] =>
    to > from ? [tf.slice(x, [0, from, 0], [batch, to - from, width])] : [];
  return tf.concat([...part(0, start), ...put, ...part(end, tokens)], 1);
}

/** The same tokens for each example of x: [count, width] to [batch, count, width]. */
export function eachOf(x: tf.Tensor, tokens: tf.Tensor): tf.Tensor {
  return tf.broadcastTo(tf.expandDims(tokens, 0), [x.shape[0]!, ...tokens.shape]);
}

/** The tokens of the model's own, behind those that were put before them: [batch, count + tokens, width] to [batch, tokens, width]. */
export function lastTokens(x: tf.Tensor, tokens: number): tf.Tensor {
  const [batch, all, width] = x.shape as [number, number, number];
  return all === tokens ? x : tf.slice(x, [0, all - tokens, 0], [batch, tokens, width]);
}

/** The places of keys and values in an attention module. */
export interface PrefixPlaces {
  readonly keys: TokenPlace;
  readonly values: TokenPlace;
}

/** @param width of keys and values, all heads together */
export function prefixPlaces(width: number): PrefixPlaces {
  return { keys: new TokenPlace(width), values: new TokenPlace(width) };
}

/**
 * A mask for keys before which others were put in: every query sees those.
 *
 * @param mask added to the scores, [.., .., .., keys before]
 * @param keys how many there are now
 */
export function maskOver(mask: tf.Tensor, keys: number): tf.Tensor {
  const more = keys - mask.shape[3]!;
  if (more <= 0) return mask;
  return tf.pad(mask, [
    [0, 0],
    [0, 0],
    [0, 0],
    [more, 0],
  ]);
}
