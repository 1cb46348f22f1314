// @peft/mosa: the public face. Loading it makes MoSA known to `PeftModel.fromPretrained`.

import { registerMethod } from "@peft/core";
import { MosaConfig } from "./config.js";

registerMethod(MosaConfig);

export { MosaAdapter, type MosaAdapterOptions } from "./adapter.js";
export { MosaConfig, type MosaFields, type MosaStyle } from "./config.js";
export { DenseExperts, type DenseExpertsOptions } from "./denseExperts.js";
export type { Draws } from "./draws.js";
export type { Experts, ExpertsOptions, MergedExperts, MergeRule } from "./experts.js";
export type { OptimizerSemantics } from "./hooks.js";
export { type Inference, withInference } from "./inference.js";
export { MosaLora, type MosaLoraOptions } from "./lora.js";
export { type DeepRegBlocks, deepLoss, symmetricKl } from "./loss.js";
export { type MergeExpertsOptions, mergeExperts } from "./merge.js";
export {
  BATCH_SIZE,
  MOSA_HOST,
  MOSA_PRESETS,
  type MosaPreset,
  mosaRecipe,
} from "./recipe.js";
export type { SideOptions, Split } from "./sides.js";
export { SplitLinear, type SplitLinearOptions } from "./sparseExperts.js";
export { type OwnerMapOptions, ownerMap, type SplitMode } from "./split.js";
export { type ModuleUsage, moduleUsage } from "./usage.js";
