// Which experts are at work in the passes of a step (`mosa.md` §3.3, §10).

import { draw, type Parameter } from "@peft/core";
import * as tf from "@tensorflow/tfjs";
import { type Experts, oneHot } from "./experts.js";

/**
 * `uniform`: each pass draws among all experts, as the paper has it. `stratified`: each draws among those that the current
 * round has not had, so that every N passes use each expert once.
 */
export type Draws = "uniform" | "stratified";

export const DRAWS = ["uniform", "stratified"] as const;

/**
 * Draws the expert of each pass among those that are left of the round, and counts them out. Inside a step.
 *
 * @param left [N], 1 for the experts that the round has not had; assigned to
 * @returns [passes], int32
 */
export function drawStratified(experts: Experts, left: Parameter, passes: number): tf.Tensor {
  const n = experts.count;
  const scores = tf.split(draw(experts.site, [passes, n], "uniform"), passes, 0);
  let free = left.value();
  const chosen = scores.map((score) => {
    const best = tf.argMax(tf.mul(free, tf.add(tf.reshape(score, [n]), 1)), 0);
    const rest = tf.sub(free, tf.reshape(oneHot(best, n), [n]));
    // A round that is over begins anew.
    free = tf.add(rest, tf.sub(1, tf.minimum(tf.sum(rest), 1)));
    return tf.reshape(best, [1]);
  });
  left.assign(free);
  return passes === 1 ? chosen[0]! : tf.concat(chosen, 0);
}
