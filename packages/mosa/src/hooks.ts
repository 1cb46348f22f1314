// What MoSA does in a training step: draws experts, runs both passes, and says which entries the optimizer may move
// (`mosa.md` §3.3-3.5).

import {
  type ModelInputs,
  type ModelOutput,
  Parameter,
  PeftError,
  type StepContext,
  type TrainingHooks,
  type UpdateScope,
} from "@peft/core";
import * as tf from "@tensorflow/tfjs";
import { type Draws, drawStratified } from "./draws.js";
import { type Experts, oneHot } from "./experts.js";
import { halves, type LossWeights, twice, twoPassLoss } from "./loss.js";

/**
 * `official`: from its first draw on an expert moves at every step, drawn or not, since its moments go on and weights decay;
 * before, it does not move at all. `lazy`: only experts drawn in a step move.
 */
export type OptimizerSemantics = "official" | "lazy";

export const OPTIMIZER_SEMANTICS = ["official", "lazy"] as const;

export interface HookOptions extends LossWeights {
  readonly secondPass: boolean;
  readonly optimizerSemantics: OptimizerSemantics;
  readonly draws: Draws;
}

/** A split side, and what is counted of its experts. Counts are float32, which is exact up to 16 million steps. */
interface Counted {
  readonly side: Experts;
  /** [N]: updates that each expert has had. */
  readonly steps: Parameter;
  /** [N]: 1 for the experts that may move in the step at work. */
  readonly moving: Parameter;
  /** [N]: passes that have used each expert. */
  readonly drawn: Parameter;
  /** [N]: for stratified draws, 1 for the experts that the round has not had. */
  readonly left?: Parameter;
}

const countedOf = new WeakMap<Experts, Counted>();

/** What training has counted of a side's experts. */
export function countsOf(side: Experts): Pick<Counted, "steps" | "drawn"> {
  return countedOf.get(side)!;
}

/**
 * The hooks of a model's split sides. A step's experts are drawn from the site `<path of the side>.experts`, unless the
 * batch has an input of this name, [passes] int32: so a recorded run is replayed.
 *
 * @param blocks how many of the host's have adapters: the deep loss needs the hidden states of each
 */
export function mosaHooks(sides: readonly Experts[], options: HookOptions, blocks: number): TrainingHooks {
  const counted = sides.map((side): Counted => {
    const shape = [side.count];
    const counter = (name: "steps" | "moving" | "drawn") => Parameter.zeros(shape, { name: `${side.path}.${name}` });
    const all = (): Float32Array => new Float32Array(side.count).fill(1);
    const left = new Parameter(shape, all, { name: `${side.path}.left` });
    const one = {
      side,
      steps: counter("steps"),
      moving: counter("moving"),
      drawn: counter("drawn"),
      ...(options.draws === "stratified" && { left }),
    };
    countedOf.set(side, one);
    return one;
  });
  const scopes = new Map<string, () => UpdateScope>(
    counted.flatMap(({ side, steps, moving }) =>
      side
        .scopes()
        .map(({ parameter, spread }) => [
          parameter.name,
          () => ({ mask: spread(moving.value()), steps: spread(steps.value()) }),
        ]),
    ),
  );
  const state = counted.flatMap(({ steps, moving, drawn, left }) => [steps, moving, drawn, ...(left ? [left] : [])]);
  return {
    state: new Map(state.map((p) => [p.name, p])),
    updateScope: (name) => scopes.get(name)?.(),
    loss: (context) => {
      const passes = options.secondPass ? 2 : 1;
      const experts = counted.map(
        ({ side, left }) => context.batch[side.site] ?? (left ? drawStratified(side, left, passes) : side.draw(passes)),
      );
      for (const [i, one] of counted.entries()) count(one, experts[i]!, options.optimizerSemantics);
      return underExperts(sides, experts, () => lossOf(context, withoutDraws(context.batch, sides), options, blocks));
    },
  };
}

/** Runs the body with an expert chosen at each side. */
export function underExperts<T>(sides: readonly Experts[], experts: readonly tf.Tensor[], body: () => T): T {
  return sides.reduceRight((inner, side, i) => () => side.withExperts(experts[i]!, inner), body)();
}

/** An expert counts as drawn whichever pass drew it, even if its gradient is zero: it then has one. */
function count({ side, steps, moving, drawn }: Counted, experts: tf.Tensor, semantics: OptimizerSemantics): void {
  const uses = tf.sum(oneHot(experts, side.count), 0);
  const inStep = tf.minimum(uses, 1);
  const moves = semantics === "lazy" ? inStep : tf.maximum(inStep, tf.minimum(steps.value(), 1));
  steps.assign(tf.add(steps.value(), moves));
  drawn.assign(tf.add(drawn.value(), uses));
  moving.assign(moves);
}

function lossOf(
  { forward, criterion }: StepContext,
  batch: ModelInputs,
  options: HookOptions,
  blocks: number,
): tf.Tensor {
  if (!options.secondPass) return criterion(forward(batch), batch);
  const both = forward(twice(batch));
  if (options.deepReg) checkStates(both, blocks);
  const [p, q] = halves(both);
  return twoPassLoss(p, q, (output) => criterion(output, batch), options);
}

/** @throws PeftError TARGET_UNSUPPORTED for a host whose hidden states are those of stages, such as Swin */
function checkStates({ hiddenStates }: ModelOutput, blocks: number): void {
  if (hiddenStates.length === blocks + 1) return;
  const message = `the deep loss compares blocks, and of ${blocks} the model gives ${hiddenStates.length - 1} hidden states`;
  throw new PeftError("TARGET_UNSUPPORTED", message, { place: "deepReg", hint: "leave deepReg out for this model" });
}

function withoutDraws(batch: ModelInputs, sides: readonly Experts[]): ModelInputs {
  const sites = new Set(sides.map(({ site }) => site));
  return Object.fromEntries(Object.entries(batch).filter(([name]) => !sites.has(name)));
}
