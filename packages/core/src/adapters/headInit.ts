// The one place that says how a new head starts, whatever the method.

import { Parameter } from "../engine/index.js";
import { constant, normal, zeros } from "../nn/index.js";

/**
 * `keep`: as it is in the host. `normal`: N(0, 0.02^2), bias 0, as Hugging Face's models. `kaiming`: Kaiming normal over the
 * number of classes, bias -log(99), the logit of 0.01, as MoSA's code has it (`mosa.md` §3.1).
 */
export type HeadInit = "keep" | "normal" | "kaiming";

export const HEAD_INITS = ["keep", "normal", "kaiming"] as const;

/** A head's parameter to start training from: a weight [classes, width], or a bias [classes]. */
export function newHead(original: Parameter, init: Exclude<HeadInit, "keep">, seed: number): Parameter {
  const { name, shape } = original;
  const isWeight = shape.length > 1;
  const weight = normal(init === "normal" ? 0.02 : Math.sqrt(2 / shape[0]!), seed);
  const bias = init === "normal" ? zeros : constant(-Math.log(99));
  return new Parameter(shape, (key) => (isWeight ? weight : bias)(shape, key), { name });
}
