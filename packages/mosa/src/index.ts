// @peft/mosa: the public face. Loading it makes MoSA known to `PeftModel.fromPretrained`.

import { registerMethod } from "@peft/core";
import { ClsTokenConfig } from "./clsToken.js";
import { MosaConfig } from "./config.js";
import { MlpHeadConfig } from "./mlpHead.js";
import { SideNetworkConfig } from "./sideNetwork.js";
import { SparseAdapterConfig } from "./sparseAdapter.js";

for (const method of [MosaConfig, ClsTokenConfig, MlpHeadConfig, SideNetworkConfig, SparseAdapterConfig]) {
  registerMethod(method);
}

export { MosaAdapter, type MosaAdapterOptions } from "./adapter.js";
export { type AnnotatedImagesOptions, annotatedImages } from "./annotations.js";
export {
  biasTuning,
  clsToken,
  denseMixture,
  fullFineTuning,
  linearProbe,
  mlpHead,
  type PlainAdapterOptions,
  partialFineTuning,
  plainAdapter,
  plainLora,
  sideNetwork,
  singleSparseAdapter,
} from "./baselines.js";
export { ClsTokenConfig, type ClsTokenFields } from "./clsToken.js";
export { MosaConfig, type MosaFields, type MosaStyle } from "./config.js";
export { DenseExperts, type DenseExpertsOptions } from "./denseExperts.js";
export type { Draws } from "./draws.js";
export type { Experts, ExpertsOptions, MergedExperts, MergeRule } from "./experts.js";
export type { OptimizerSemantics } from "./hooks.js";
export { type Inference, withInference } from "./inference.js";
export { loadAlexNet } from "./loadAlexNet.js";
export { MosaLora, type MosaLoraOptions } from "./lora.js";
export { type DeepRegBlocks, deepLoss, symmetricKl } from "./loss.js";
export { type MergeExpertsOptions, mergeExperts } from "./merge.js";
export { taskMetrics } from "./metrics.js";
export { MlpHeadConfig, type MlpHeadFields } from "./mlpHead.js";
export { multiTask } from "./multiTask.js";
export { type PictureSide, type Pictures, type PictureTransforms, pictures } from "./pictures.js";
export { FGVC_TASKS, MOSA_PRESETS, type MosaPreset, type PresetName, type TaskGroup, vtabMean } from "./presets.js";
export { BATCH_SIZE, MOSA_HOST, MOSA_SWIN_HOST, mosaRecipe } from "./recipe.js";
export { SideNetworkConfig } from "./sideNetwork.js";
export type { SideOptions, Split } from "./sides.js";
export { SparseAdapterConfig, type SparseAdapterFields } from "./sparseAdapter.js";
export { SplitLinear, type SplitLinearOptions } from "./sparseExperts.js";
export { type OwnerMapOptions, ownerMap, type SplitMode } from "./split.js";
export { type ModuleUsage, moduleUsage } from "./usage.js";
