// The part of a training step that follows the gradients: the norm, clipping, the optimizer's update, the average. Where
// the loss or the norm is not finite the update comes to nothing, bit for bit (optimizers/optimizer.ts says how).

import * as tf from "@tensorflow/tfjs";
import type { UpdateScope } from "../adapters/method.js";
import type { Parameter } from "../engine/index.js";
import { PeftError } from "../errors.js";
import { select } from "../ops/index.js";
import type { TrainableModel } from "./model.js";
import { subtract, type Updated } from "./optimizers/optimizer.js";
import type { Gradients } from "./stepGradients.js";
import { coefficientsOf, type StepPlan, stillScalars, type Trained, type TrainingStepOptions } from "./stepPlan.js";

/** Added to the norm by torch.nn.utils.clip_grad_norm_. */
const CLIP_EPS = 1e-6;

/**
 * Inside a compiled function: assigns the new numbers.
 *
 * @param given the step's scalars, as `scalarsOf` makes them
 * @returns [loss, norm, 1 if finite else 0] and whether it is finite
 */
export function update(
  model: TrainableModel,
  options: TrainingStepOptions,
  plan: StepPlan,
  { loss, gradients }: Gradients,
  given: tf.Tensor,
): { result: tf.Tensor; finite: tf.Tensor } {
  const { trained, groups } = plan;
  const scopes = trained.map((one) => scopeOf(model, plan, one));
  const scoped = gradients.map((gradient, i) => {
    const mask = scopes[i]?.mask;
    return mask ? tf.mul(gradient, mask) : gradient;
  });
  // The last parameters' gradients come first: in this order the runtime computes each one where its operands are at hand.
  const squares = (gradient: tf.Tensor): tf.Tensor => tf.sum(tf.square(gradient));
  const [first, ...others] = scoped.toReversed();
  const norm = tf.sqrt(others.reduce((total, gradient) => tf.add(total, squares(gradient)), squares(first!)));

  // A number that is finite only if all are; the product is of the size of a step, which must be finite too.
  const reach = tf.mul(tf.add(norm, 1), tf.sum(tf.abs(given)));
  const finite = tf.isFinite(tf.add(reach, tf.mul(loss, 0)));
  // Every update depends on `finite`, which depends on every gradient and so on every reader of the old numbers: that is
  // what lets the engine write the new numbers over the old ones.
  const scalars = tf.unstack(select(finite, given, tf.tensor1d(stillScalars(plan, options))));
  const coefficients = coefficientsOf(plan, scalars);
  const clip = clipping(options, norm, finite);

  const updates = trained.map(({ parameter, state, group }, i) => {
    const { optimizer, weightDecay } = groups[group]!;
    const scope = scopes[i];
    const scalar = coefficients[group]!;
    const updated = optimizer.update({
      parameter: parameter.value(),
      gradient: clip(select(finite, scoped[i]!, tf.scalar(0))),
      state: state.map((slot) => slot.value()),
      coefficients: scope?.steps ? optimizer.coefficientsAt!(scalar, countsOf(scope.steps)) : scalar,
      weightDecay,
    });
    return within(scope?.mask, updated, parameter, state);
  });
  const averages = trained.map(({ average }, i) => {
    const old = average?.value();
    return old && subtract(old, tf.mul(tf.sub(old, updates[i]!.parameter), scalars.at(-1)!));
  });
  // Not earlier, for the same reason.
  for (const [i, updated] of updates.entries()) {
    const { parameter, state, average } = trained[i]!;
    parameter.assign(updated.parameter);
    for (const [j, slot] of state.entries()) slot.assign(updated.state[j]!);
    average?.assign(averages[i]!);
  }
  return { result: tf.stack([loss, norm, tf.cast(finite, "float32")]), finite };
}

/** Which entries of a parameter may move, and how often they have. */
function scopeOf(model: TrainableModel, { groups }: StepPlan, trained: Trained): UpdateScope | undefined {
  const scope = model.hooks?.updateScope?.(trained.name, trained.parameter);
  const { optimizer } = groups[trained.group]!;
  if (scope && !optimizer.coefficientsAt) {
    throw new PeftError("ARGUMENT_INVALID", `the method updates single entries, which ${optimizer.name} cannot`, {
      place: trained.name,
      hint: "train it with adamW, adam or sgd",
    });
  }
  return scope;
}

function clipping(
  { clipNorm, clipValue }: TrainingStepOptions,
  norm: tf.Tensor,
  finite: tf.Tensor,
): (gradient: tf.Tensor) => tf.Tensor {
  if (clipValue !== undefined) return (gradient) => tf.clipByValue(gradient, -clipValue, clipValue);
  if (clipNorm === undefined) return (gradient) => gradient;
  const factor = select(finite, tf.minimum(tf.div(clipNorm, tf.add(norm, CLIP_EPS)), 1), tf.scalar(1));
  return (gradient) => tf.mul(gradient, factor);
}

/** An entry that was never updated counts 0; what is computed for it is not used, but must not be a division by 0. */
function countsOf(steps: tf.Tensor): tf.Tensor {
  return tf.maximum(tf.cast(steps, "float32"), 1);
}

/** The update where the mask is not 0, the old numbers elsewhere. */
function within(
  mask: tf.Tensor | undefined,
  updated: Updated,
  parameter: Parameter,
  state: readonly Parameter[],
): Updated {
  if (!mask) return updated;
  const touched = tf.cast(mask, "bool");
  return {
    parameter: select(touched, updated.parameter, parameter.value()),
    state: updated.state.map((slot, i) => select(touched, slot, state[i]!.value())),
  };
}
