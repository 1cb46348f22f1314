// @peft/mosa: the public face. Loading it makes MoSA known to `PeftModel.fromPretrained`.

import { registerMethod } from "@peft/core";
import { MosaConfig } from "./config.js";

registerMethod(MosaConfig);

export { MosaAdapter, type MosaAdapterOptions, type Split } from "./adapter.js";
export { MosaConfig, type MosaFields } from "./config.js";
export { SplitLinear, type SplitLinearOptions } from "./experts.js";
export type { OptimizerSemantics } from "./hooks.js";
export { type DeepRegBlocks, deepLoss, symmetricKl } from "./loss.js";
export { type MergeExpertsOptions, mergeExperts } from "./merge.js";
export {
  BATCH_SIZE,
  MOSA_HOST,
  MOSA_PRESETS,
  type MosaPreset,
  mosaRecipe,
} from "./recipe.js";
export { type OwnerMapOptions, ownerMap, type SplitMode } from "./split.js";
