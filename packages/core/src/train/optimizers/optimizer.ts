// What an optimizer is to the training step: state tensors of each parameter, coefficients that the host computes in
// float64, and an update written in tensors.
//
// An update must be able to come to nothing, bit for bit, without a branch in the graph: where the gradient's norm is not
// finite, the coefficients are replaced by their `still` values (a factor 1, a rate 0) and the gradient by zeros.
// x * 1 and x - (+0) keep every bit of x; x + 0 and x - (-0) do not, where x is -0.

import * as tf from "@tensorflow/tfjs";

/** One parameter's numbers in one update. */
export interface Update<Name extends string = string> {
  readonly parameter: tf.Tensor;
  /** Finite, and clipped; +0 everywhere when the update is to come to nothing. */
  readonly gradient: tf.Tensor;
  /** In the order of `Optimizer.state`. */
  readonly state: readonly tf.Tensor[];
  /** Scalars, or of the parameter's shape where entries have had different numbers of updates. */
  readonly coefficients: Readonly<Record<Name, tf.Tensor>>;
  /** Of the parameter's group. A number, so that a graph without decay has no nodes for it. */
  readonly weightDecay: number;
}

/** The numbers after an update. */
export interface Updated {
  readonly parameter: tf.Tensor;
  readonly state: readonly tf.Tensor[];
}

export interface UpdateSettings {
  readonly learningRate: number;
  readonly weightDecay: number;
  /** Updates including this one, from 1. */
  readonly updates: number;
}

export interface Optimizer<Name extends string = string> {
  /** Kept in checkpoints: state of one optimizer is of no use to another. */
  readonly name: string;
  /** Names and shapes of the state tensors of a parameter of this shape; zero at first. */
  state(shape: readonly number[]): Readonly<Record<string, readonly number[]>>;
  /** The numbers that change from update to update or from group to group. */
  coefficients(settings: UpdateSettings): Record<Name, number>;
  /** The coefficients of an update that changes nothing. */
  readonly still: Readonly<Record<Name, number>>;
  /**
   * The coefficients where each entry has its own count of updates (float32, 1 or more; of the parameter's shape). Absent
   * where an update mixes a parameter's entries: methods that let only some of them move cannot use such an optimizer.
   */
  coefficientsAt?(
    coefficients: Readonly<Record<Name, tf.Tensor>>,
    updates: tf.Tensor,
  ): Readonly<Record<Name, tf.Tensor>>;
  /** The pure function, to be used inside a compiled function. */
  update(update: Update<Name>): Updated;
}

/** x - change, such that a change of zero of either sign keeps every bit of x: -0 - (-0) would be +0. */
export function subtract(x: tf.Tensor, change: tf.Tensor): tf.Tensor {
  return tf.sub(x, tf.add(change, 0));
}

/**
 * 1 - beta^n for counts n, accurate for small ones: 1 - exp(x) loses half its digits at beta = 0.999, so it is written
 * with h = tanh(x / 2), 1 - exp(x) = -2h / (1 - h).
 */
export function oneMinusPower(beta: number, counts: tf.Tensor): tf.Tensor {
  const h = tf.tanh(tf.mul(counts, Math.log(beta) / 2));
  return tf.div(tf.mul(h, -2), tf.sub(1, h));
}
