// Adam (Kingma and Ba 2015) as PyTorch computes it, and AdamW (Loshchilov and Hutter 2019) as PyTorch does and as
// transformers 4 did. They differ in where the decay goes and in where eps stands.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../../errors.js";
import { type Optimizer, oneMinusPower, subtract } from "./optimizer.js";

export interface AdamOptions {
  /** Decay of the averages of the gradient and of its square. @defaultValue [0.9, 0.999] */
  readonly betas?: readonly [number, number];
  readonly eps?: number;
}

type Name = "learningRate" | "beta1" | "minusRate1" | "beta2" | "rate2" | "stepSize" | "eps" | "decay";

type Variant = "adam" | "adamW" | "adamWLegacy";

/**
 * torch.optim.Adam: the decay is an L2 penalty, g <- g + decay p, and goes through both averages; then
 * p <- p - lr m^ / (sqrt(v^) + eps). `eps` is 1e-8 by default.
 *
 * @throws PeftError ARGUMENT_INVALID for a beta outside [0, 1) or an eps that is not above 0
 */
export function adam(options: AdamOptions = {}): Optimizer<Name> {
  return make("adam", { eps: 1e-8, ...options });
}

/**
 * torch.optim.AdamW: decay first, p <- p (1 - lr decay); then p <- p - lr m^ / (sqrt(v^) + eps), where m^ and v^ are the
 * averages after bias correction. `eps` is 1e-8 by default.
 *
 * @throws PeftError ARGUMENT_INVALID for a beta outside [0, 1) or an eps that is not above 0
 */
export function adamW(options: AdamOptions = {}): Optimizer<Name> {
  return make("adamW", { eps: 1e-8, ...options });
}

/**
 * The AdamW of transformers 4, which MoSA trains with (mosa.md §6.1): `eps` (1e-6 by default) is added to sqrt(v) before
 * its bias correction, and the decay comes last, p <- p - lr decay p, with the p just updated.
 *
 * @throws PeftError ARGUMENT_INVALID for a beta outside [0, 1) or an eps that is not above 0
 */
export function adamWLegacy(options: AdamOptions = {}): Optimizer<Name> {
  return make("adamWLegacy", { eps: 1e-6, ...options });
}

function make(name: Variant, { betas = [0.9, 0.999], eps }: AdamOptions & { eps: number }): Optimizer<Name> {
  const [beta1, beta2] = betas;
  if (!(eps > 0)) throw new PeftError("ARGUMENT_INVALID", `an eps of ${eps}: it must be above 0`, { place: name });
  for (const beta of betas) {
    if (!(beta >= 0 && beta < 1)) {
      throw new PeftError("ARGUMENT_INVALID", `a beta of ${beta}: it must be in [0, 1)`, { place: name });
    }
  }
  const epsIsCorrected = name !== "adamWLegacy";
  return {
    name,
    state: (shape) => ({ exp_avg: shape, exp_avg_sq: shape }),
    still: { learningRate: 0, beta1: 1, minusRate1: 0, beta2: 1, rate2: 0, stepSize: 0, eps, decay: 0 },
    coefficients: ({ learningRate, weightDecay, updates }) => {
      // Both corrections folded into scalars: lr / c1 * m / (sqrt(v) / c2 + eps) = (lr c2 / c1) * m / (sqrt(v) + eps c2).
      const root2 = Math.sqrt(1 - beta2 ** updates);
      return {
        learningRate,
        beta1,
        minusRate1: beta1 - 1,
        beta2,
        rate2: 1 - beta2,
        stepSize: (learningRate * root2) / (1 - beta1 ** updates),
        eps: epsIsCorrected ? eps * root2 : eps,
        decay: name === "adam" ? weightDecay : learningRate * weightDecay,
      };
    },
    coefficientsAt: (coefficients, updates) => {
      const root2 = tf.sqrt(oneMinusPower(beta2, updates));
      return {
        ...coefficients,
        stepSize: tf.div(tf.mul(root2, coefficients.learningRate), oneMinusPower(beta1, updates)),
        eps: epsIsCorrected ? tf.mul(root2, eps) : coefficients.eps,
      };
    },
    update: ({ parameter, gradient, state, coefficients, weightDecay }) => {
      const { beta1, minusRate1, beta2, rate2, stepSize, decay } = coefficients;
      const isPenalty = name === "adam" && weightDecay !== 0;
      const direction = isPenalty ? tf.add(gradient, tf.mul(parameter, decay)) : gradient;
      // A difference with a negative rate: a sum would turn an average of -0 into 0. The other average is never -0.
      const average = tf.sub(tf.mul(state[0]!, beta1), tf.mul(direction, minusRate1));
      const square = tf.add(tf.mul(state[1]!, beta2), tf.mul(tf.square(direction), rate2));
      const change = tf.mul(tf.div(average, tf.add(tf.sqrt(square), coefficients.eps)), stepSize);
      if (name === "adam" || weightDecay === 0)
        return { parameter: subtract(parameter, change), state: [average, square] };
      // Not p times (1 - lr decay): that factor is so close to 1 that float32 rounds it, the same way at every step.
      const decayed = (p: tf.Tensor): tf.Tensor => subtract(p, tf.mul(p, decay));
      const moved = name === "adamW" ? subtract(decayed(parameter), change) : decayed(subtract(parameter, change));
      return { parameter: moved, state: [average, square] };
    },
  };
}
