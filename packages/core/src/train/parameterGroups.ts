// Parameter groups: which trained parameters get another learning rate or weight decay than the rest.

/** Settings for the parameters whose name fits. What is not set is the trainer's. */
export interface ParameterGroup {
  /** A regular expression found anywhere in the parameter's name, or a test of it. */
  readonly match: RegExp | ((name: string) => boolean);
  /** A factor of the learning rate. @defaultValue 1 */
  readonly lrScale?: number;
  readonly weightDecay?: number;
}

/** No weight decay for parameters with `bias` in their name. */
export const noDecay: ParameterGroup = { match: /bias/, weightDecay: 0 };

export interface GroupSettings {
  readonly lrScale: number;
  readonly weightDecay: number;
}

/** A name's settings: those of the first group that it fits. */
export function groupOf(name: string, groups: readonly ParameterGroup[], weightDecay: number): GroupSettings {
  const group = groups.find(({ match }) => (typeof match === "function" ? match(name) : name.search(match) >= 0));
  return { lrScale: group?.lrScale ?? 1, weightDecay: group?.weightDecay ?? weightDecay };
}
