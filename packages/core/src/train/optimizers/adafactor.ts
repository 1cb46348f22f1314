// Adafactor (Shazeer and Stern 2018) as transformers computes it: the second moment of a matrix is kept as its rows' and
// columns' means, so that the state of an [n, m] matrix is n + m numbers.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../../errors.js";
import { type Optimizer, subtract } from "./optimizer.js";

export interface AdafactorOptions {
  /** Added to the squared gradient, and the least size that a parameter counts for. @defaultValue [1e-30, 1e-3] */
  readonly eps?: readonly [number, number];
  /** The largest root mean square of an update before its learning rate. @defaultValue 1 */
  readonly clipThreshold?: number;
  /** The second moment's decay at update t is 1 - t^decayRate. @defaultValue -0.8 */
  readonly decayRate?: number;
  /** Decay of an average of the updates, a state of the parameter's size. @defaultValue none is kept */
  readonly beta1?: number;
  /** Whether a step is in proportion to the parameter's root mean square. @defaultValue true */
  readonly scaleParameter?: boolean;
  /** Whether the step sizes are the optimizer's own, min(1e-2, 1 / sqrt(t)). @defaultValue true */
  readonly relativeStep?: boolean;
  /** With `relativeStep`: 1e-6 t instead of 1e-2. @defaultValue false */
  readonly warmupInit?: boolean;
}

type Name = "stepSize" | "beta2" | "rate2" | "guard" | "beta1" | "minusRate1" | "move" | "decay";

/**
 * transformers' Adafactor. With R and C the running means of g^2 + eps over a matrix's rows and columns, u = g / sqrt(R C /
 * mean(R)), u <- u / max(1, rms(u) / clipThreshold), p <- p (1 - decay a) - a u, where a is the step size times
 * max(eps[1], rms(p)). Parameters of one dimension keep the whole second moment; of more than two dimensions the last two
 * are the matrix.
 *
 * With `relativeStep` the optimizer has step sizes of its own and the trainer's `learningRate` is a factor of them: 1 for
 * transformers' values. Without it, the trainer's is the learning rate, as T5 is fine-tuned with 1e-3 and
 * `{ scaleParameter: false, relativeStep: false }`.
 *
 * @throws PeftError ARGUMENT_INVALID for a number out of its range, and for `warmupInit` without `relativeStep`
 */
export function adafactor(options: AdafactorOptions = {}): Optimizer<Name> {
  const { eps = [1e-30, 1e-3], clipThreshold = 1, decayRate = -0.8, beta1 } = options;
  const { scaleParameter = true, relativeStep = true, warmupInit = false } = options;
  check("eps", eps.join(), eps[0] > 0 && eps[1] >= 0);
  check("clipThreshold", clipThreshold, clipThreshold > 0);
  check("decayRate", decayRate, decayRate < 0);
  check("beta1", beta1, beta1 === undefined || (beta1 >= 0 && beta1 < 1));
  check("warmupInit", warmupInit, relativeStep || !warmupInit);
  return {
    name: "adafactor",
    state: (shape) => {
      const first = beta1 === undefined ? undefined : { exp_avg: shape };
      if (shape.length < 2) return { ...first, exp_avg_sq: shape };
      const [rows, columns] = [shape.slice(0, -1), [...shape.slice(0, -2), shape.at(-1)!]];
      return { ...first, exp_avg_sq_row: rows, exp_avg_sq_col: columns };
    },
    // The guard keeps a second moment that is still zero from being divided by.
    still: { stepSize: 0, beta2: 1, rate2: 0, guard: 1, beta1: 1, minusRate1: 0, move: 0, decay: 0 },
    coefficients: ({ learningRate, weightDecay, updates }) => {
      const own = Math.min(warmupInit ? 1e-6 * updates : 1e-2, 1 / Math.sqrt(updates));
      const stepSize = relativeStep ? learningRate * own : learningRate;
      const rate2 = updates ** decayRate;
      return {
        stepSize,
        beta2: 1 - rate2,
        rate2,
        guard: 0,
        beta1: beta1 ?? 0,
        minusRate1: (beta1 ?? 0) - 1,
        move: 1,
        decay: stepSize * weightDecay,
      };
    },
    update: ({ parameter, gradient, state, coefficients, weightDecay }) => {
      const { beta2, rate2, guard, stepSize, decay } = coefficients;
      const moments = beta1 === undefined ? state : state.slice(1);
      const square = tf.add(tf.square(gradient), eps[0]);
      const averaged = (old: tf.Tensor, now: tf.Tensor): tf.Tensor => tf.add(tf.mul(old, beta2), tf.mul(now, rate2));
      const second =
        parameter.rank < 2
          ? [averaged(moments[0]!, square)]
          : [averaged(moments[0]!, tf.mean(square, -1)), averaged(moments[1]!, tf.mean(square, -2))];
      const safe = second.map((moment) => tf.add(moment, guard));
      const direction = tf.mul(parameter.rank < 2 ? tf.rsqrt(safe[0]!) : inverseRoot(safe[0]!, safe[1]!), gradient);
      const clipped = tf.div(direction, tf.maximum(tf.div(rms(direction), clipThreshold), 1));
      const scale = scaleParameter ? tf.maximum(rms(parameter), eps[1]) : undefined;
      const scaled = (x: tf.Tensor): tf.Tensor => (scale ? tf.mul(x, scale) : x);
      const step = tf.mul(clipped, scaled(stepSize));
      const decayed = weightDecay === 0 ? parameter : subtract(parameter, tf.mul(parameter, scaled(decay)));
      if (beta1 === undefined) return { parameter: subtract(decayed, step), state: second };
      const first = tf.sub(tf.mul(state[0]!, coefficients.beta1), tf.mul(step, coefficients.minusRate1));
      return { parameter: subtract(decayed, tf.mul(first, coefficients.move)), state: [first, ...second] };
    },
  };
}

/** 1 / sqrt of the second moment that rows' means [..., n] and columns' means [..., m] stand for, [..., n, m]. */
function inverseRoot(rows: tf.Tensor, columns: tf.Tensor): tf.Tensor {
  const shares = tf.div(rows, tf.mean(rows, -1, true));
  return tf.mul(tf.expandDims(tf.rsqrt(shares), -1), tf.expandDims(tf.rsqrt(columns), -2));
}

/** The root mean square, a scalar. */
function rms(x: tf.Tensor): tf.Tensor {
  return tf.sqrt(tf.mean(tf.square(x)));
}

function check(name: string, value: unknown, ok: boolean): void {
  if (!ok) throw new PeftError("ARGUMENT_INVALID", `${name} cannot be ${value}`, { place: "adafactor" });
}
