// AdamW (Loshchilov and Hutter 2019) as PyTorch computes it, and as transformers 4 did.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../../errors.js";
import { type Optimizer, oneMinusPower, subtract } from "./optimizer.js";

export interface AdamOptions {
  /** Decay of the averages of the gradient and of its square. @defaultValue [0.9, 0.999] */
  readonly betas?: readonly [number, number];
  readonly eps?: number;
}

type Name = "learningRate" | "beta1" | "minusRate1" | "beta2" | "rate2" | "stepSize" | "eps" | "decay";

/**
 * torch.optim.AdamW: decay first, p <- p (1 - lr decay); then p <- p - lr m^ / (sqrt(v^) + eps), where m^ and v^ are the
 * averages after bias correction. `eps` is 1e-8 by default.
 *
 * @throws PeftError ARGUMENT_INVALID for a beta outside [0, 1) or an eps that is not above 0
 */
export function adamW(options: AdamOptions = {}): Optimizer<Name> {
  // With both corrections folded into scalars: lr / c1 * m / (sqrt(v) / c2 + eps) = (lr c2 / c1) * m / (sqrt(v) + eps c2).
  return adam("adamW", { eps: 1e-8, ...options }, (eps, root2) => eps * root2);
}

/**
 * The AdamW of transformers 4, which MoSA trains with (mosa.md §6.1): `eps` (1e-6 by default) is added to sqrt(v) before
 * its bias correction, and the decay comes last, p <- p - lr decay p, with the p just updated.
 *
 * @throws PeftError ARGUMENT_INVALID for a beta outside [0, 1) or an eps that is not above 0
 */
export function adamWLegacy(options: AdamOptions = {}): Optimizer<Name> {
  return adam("adamWLegacy", { eps: 1e-6, ...options }, (eps) => eps);
}

/** @param epsOf the eps beside sqrt(v), given the square root of v's bias correction */
function adam(
  name: "adamW" | "adamWLegacy",
  { betas = [0.9, 0.999], eps }: AdamOptions & { eps: number },
  epsOf: (eps: number, root2: number) => number,
): Optimizer<Name> {
  const [beta1, beta2] = betas;
  if (!(eps > 0)) throw new PeftError("ARGUMENT_INVALID", `an eps of ${eps}: it must be above 0`, { place: name });
  for (const beta of betas) {
    if (!(beta >= 0 && beta < 1)) {
      throw new PeftError("ARGUMENT_INVALID", `a beta of ${beta}: it must be in [0, 1)`, { place: name });
    }
  }
  return {
    name,
    state: ["exp_avg", "exp_avg_sq"],
    still: { learningRate: 0, beta1: 1, minusRate1: 0, beta2: 1, rate2: 0, stepSize: 0, eps, decay: 0 },
    coefficients: ({ learningRate, weightDecay, updates }) => {
      const root2 = Math.sqrt(1 - beta2 ** updates);
      return {
        learningRate,
        beta1,
        minusRate1: beta1 - 1,
        beta2,
        rate2: 1 - beta2,
        stepSize: (learningRate * root2) / (1 - beta1 ** updates),
        eps: epsOf(eps, root2),
        decay: learningRate * weightDecay,
      };
    },
    coefficientsAt: (coefficients, updates) => {
      const root2 = tf.sqrt(oneMinusPower(beta2, updates));
      return {
        ...coefficients,
        stepSize: tf.div(tf.mul(root2, coefficients.learningRate), oneMinusPower(beta1, updates)),
        eps: name === "adamW" ? tf.mul(root2, eps) : coefficients.eps,
      };
    },
    update: ({ parameter, gradient, state, coefficients, weightDecay }) => {
      const { beta1, minusRate1, beta2, rate2, stepSize, decay } = coefficients;
      // A difference with a negative rate: a sum would turn an average of -0 into 0. The other average is never -0.
      const average = tf.sub(tf.mul(state[0]!, beta1), tf.mul(gradient, minusRate1));
      const square = tf.add(tf.mul(state[1]!, beta2), tf.mul(tf.square(gradient), rate2));
      const change = tf.mul(tf.div(average, tf.add(tf.sqrt(square), coefficients.eps)), stepSize);
      // Not p times (1 - lr decay): that factor is so close to 1 that float32 rounds it, the same way at every step.
      const decayed = (p: tf.Tensor): tf.Tensor => (weightDecay === 0 ? p : subtract(p, tf.mul(p, decay)));
      const moved = name === "adamW" ? subtract(decayed(parameter), change) : decayed(subtract(parameter, change));
      return { parameter: moved, state: [average, square] };
    },
  };
}
