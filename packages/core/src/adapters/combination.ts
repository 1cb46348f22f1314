// Several adapters of one method made one: what a method's config gives to `PeftModel.addWeightedAdapter`.

import type { Attachment } from "./method.js";
import type { MajoritySign } from "./taskVectors.js";

/** PEFT's names of the ways to combine LoRA adapters. */
export const COMBINATION_TYPES = [
  "svd",
  "linear",
  "cat",
  "ties",
  "ties_svd",
  "dare_linear",
  "dare_linear_svd",
  "dare_ties",
  "dare_ties_svd",
  "magnitude_prune",
  "magnitude_prune_svd",
] as const;

export type CombinationType = (typeof COMBINATION_TYPES)[number];

export interface CombinationOptions {
  /**
   * `cat` and `svd` are exact (`svd` as far as its rank goes); `linear`, of factors and not of updates, is rough; the others
   * prune first, those that end in `_svd` the updates and the rest the factors. One adapter alone is always `linear`. Of
   * pruned updates the whole matrix is decomposed, which takes long for wide layers.
   *
   * @defaultValue "svd"
   */
  readonly combinationType?: CombinationType;
  /** The rank where the type is or ends in "svd". @defaultValue the largest of the adapters */
  readonly svdRank?: number;
  /** The share of entries that pruning leaves, 0 to 1; needed by the types that prune. */
  readonly density?: number;
  /** How TIES elects a sign. @defaultValue "total" */
  readonly majoritySignMethod?: MajoritySign;
  /** Of what DARE keeps. @defaultValue 0 */
  readonly seed?: number;
}

/** One of the adapters to be combined. */
export interface CombinationSource<Config> {
  readonly config: Config;
  readonly attachment: Attachment;
  readonly weight: number;
}

/** The adapter that comes of it. */
export interface Combination<Config> {
  readonly config: Config;
  /** Its numbers, by the keys of its file. */
  readonly numbers: ReadonlyMap<string, Float32Array>;
}
