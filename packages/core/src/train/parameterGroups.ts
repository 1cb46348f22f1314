// Parameter groups: which trained parameters get another learning rate, weight decay or optimizer than the rest.

import type { Optimizer } from "./optimizers/index.js";

/** Settings for the parameters whose name fits. What is not set is the trainer's. */
export interface ParameterGroup {
  /** A regular expression found anywhere in the parameter's name, or a test of it. */
  readonly match: RegExp | ((name: string) => boolean);
  /** A factor of the learning rate. @defaultValue 1 */
  readonly lrScale?: number;
  readonly weightDecay?: number;
  readonly optimizer?: Optimizer;
}

/** No weight decay for parameters with `bias` in their name. */
export const noDecay: ParameterGroup = { match: /bias/, weightDecay: 0 };

/** No weight decay for biases and norms, by the patterns of names that transformers' Trainer leaves out. */
export const noDecayNorms: ParameterGroup = {
  match: /bias|layernorm|rmsnorm|(^|\.|_)norm($|\.)/i,
  weightDecay: 0,
};

export type GroupSettings = Required<Omit<ParameterGroup, "match">>;

/** A name's settings: those of the first group that it fits. */
export function groupOf(
  name: string,
  groups: readonly ParameterGroup[],
  otherwise: Pick<GroupSettings, "weightDecay" | "optimizer">,
): GroupSettings {
  const group = groups.find(({ match }) => (typeof match === "function" ? match(name) : name.search(match) >= 0));
  return {
    lrScale: group?.lrScale ?? 1,
    weightDecay: group?.weightDecay ?? otherwise.weightDecay,
    optimizer: group?.optimizer ?? otherwise.optimizer,
  };
}
