// What MoSA does in a training step: draws experts, runs both passes, and says which entries the optimizer may move
// (`mosa.md` §3.3-3.5).

import { type ModelInputs, Parameter, type StepContext, type TrainingHooks, type UpdateScope } from "@peft/core";
import * as tf from "@tensorflow/tfjs";
import { oneHot, type SplitLinear } from "./experts.js";
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
}

/** A split side, and what is counted of its experts. Counts are float32, which is exact up to 16 million steps. */
interface Counted {
  readonly side: SplitLinear;
  /** [N]: updates that each expert has had. */
  readonly steps: Parameter;
  /** [N]: 1 for the experts that may move in the step at work. */
  readonly moving: Parameter;
}

/**
 * The hooks of a model's split sides. A step's experts are drawn from the site `<path of the side>.experts`, unless the
 * batch has an input of this name, [passes] int32: so a recorded run is replayed.
 */
export function mosaHooks(sides: readonly SplitLinear[], options: HookOptions): TrainingHooks {
  const counted = sides.map((side): Counted => {
    const shape = [side.options.numExperts];
    return {
      side,
      steps: Parameter.zeros(shape, { name: `${side.path}.steps` }),
      moving: Parameter.zeros(shape, { name: `${side.path}.moving` }),
    };
  });
  const scopes = new Map<string, () => UpdateScope>(
    counted.flatMap(({ side, steps, moving }) => {
      const rows = (tensor: tf.Tensor): tf.Tensor => tf.reshape(tensor, [-1, 1]);
      const entries = (tensor: tf.Tensor): tf.Tensor => tf.gather(tensor, side.owner.value() as tf.Tensor2D);
      const scope = (spread: (tensor: tf.Tensor) => tf.Tensor) => (): UpdateScope => ({
        mask: spread(moving.value()),
        steps: spread(steps.value()),
      });
      return [
        [`${side.path}.weight`, scope(entries)],
        [`${side.path}.experts.bias`, scope(rows)],
        [`${side.path}.experts.decay`, scope((tensor) => tensor)],
      ] as const;
    }),
  );
  return {
    state: new Map(counted.flatMap(({ steps, moving }) => [steps, moving]).map((p) => [p.name, p])),
    updateScope: (name) => scopes.get(name)?.(),
    loss: (context) => {
      const passes = options.secondPass ? 2 : 1;
      const experts = sides.map((side) => context.batch[side.site] ?? side.draw(passes));
      for (const [i, one] of counted.entries()) count(one, experts[i]!, options.optimizerSemantics);
      const run = sides.reduceRight(
        (body, side, i) => () => side.withExperts(experts[i]!, body),
        () => lossOf(context, withoutDraws(context.batch, sides), options),
      );
      return run();
    },
  };
}

/** An expert counts as drawn whichever pass drew it, even if its gradient is zero: it then has one. */
function count({ side, steps, moving }: Counted, experts: tf.Tensor, semantics: OptimizerSemantics): void {
  const drawn = tf.minimum(tf.sum(oneHot(experts, side.options.numExperts), 0), 1);
  const moves = semantics === "lazy" ? drawn : tf.maximum(drawn, tf.minimum(steps.value(), 1));
  steps.assign(tf.add(steps.value(), moves));
  moving.assign(moves);
}

function lossOf({ forward, criterion }: StepContext, batch: ModelInputs, options: HookOptions): tf.Tensor {
  if (!options.secondPass) return criterion(forward(batch), batch);
  const [p, q] = halves(forward(twice(batch)));
  return twoPassLoss(p, q, (output) => criterion(output, batch), options);
}

function withoutDraws(batch: ModelInputs, sides: readonly SplitLinear[]): ModelInputs {
  const sites = new Set(sides.map(({ site }) => site));
  return Object.fromEntries(Object.entries(batch).filter(([name]) => !sites.has(name)));
}
