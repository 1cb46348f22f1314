// Stochastic gradient descent as torch.optim.SGD computes it (without dampening).

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../../errors.js";
import { type Optimizer, subtract } from "./optimizer.js";

export interface SgdOptions {
  /** @defaultValue 0 */
  readonly momentum?: number;
  /** Steps along the gradient plus the momentum to come. Wants a momentum. @defaultValue false */
  readonly nesterov?: boolean;
}

type Name = "learningRate" | "momentum" | "decay";

/**
 * d = g + decay p; buffer <- momentum buffer + d; p <- p - lr buffer, or with `nesterov` p <- p - lr (d + momentum buffer).
 *
 * @throws PeftError ARGUMENT_INVALID for a momentum outside [0, 1), and for `nesterov` without one
 */
export function sgd({ momentum = 0, nesterov = false }: SgdOptions = {}): Optimizer<Name> {
  if (!(momentum >= 0 && momentum < 1)) {
    throw new PeftError("ARGUMENT_INVALID", `a momentum of ${momentum}: it must be in [0, 1)`, { place: "sgd" });
  }
  if (nesterov && momentum === 0) {
    throw new PeftError("ARGUMENT_INVALID", "nesterov wants a momentum above 0", { place: "sgd" });
  }
  return {
    name: "sgd",
    state: (shape): Record<string, readonly number[]> => (momentum === 0 ? {} : { momentum_buffer: shape }),
    still: { learningRate: 0, momentum: 1, decay: 0 },
    coefficients: ({ learningRate, weightDecay }) => ({ learningRate, momentum, decay: weightDecay }),
    coefficientsAt: (coefficients) => coefficients,
    update: ({ parameter, gradient, state, coefficients, weightDecay }) => {
      const direction = weightDecay === 0 ? gradient : tf.add(gradient, tf.mul(parameter, coefficients.decay));
      const move = (along: tf.Tensor): tf.Tensor => subtract(parameter, tf.mul(along, coefficients.learningRate));
      const [old] = state;
      if (!old) return { parameter: move(direction), state: [] };
      const buffer = subtract(tf.mul(old, coefficients.momentum), tf.neg(direction));
      const along = nesterov ? tf.add(direction, tf.mul(buffer, coefficients.momentum)) : buffer;
      return { parameter: move(along), state: [buffer] };
    },
  };
}
