// Adapters: configs, attaching them to hosts, models with adapters.

export { type AttachmentParts, adapterParameters, attachCopies, composeAttachment } from "./attachment.js";
export { BitFitConfig, FullConfig, type FullFields, LinearProbeConfig } from "./baselines.js";
export { BottleneckConfig, type BottleneckFields, STYLE_DEFAULTS } from "./bottleneck/config.js";
export { BottleneckAdapter, type BottleneckInit, type BottleneckOptions } from "./bottleneck/layer.js";
export {
  COMBINATION_TYPES,
  type Combination,
  type CombinationOptions,
  type CombinationSource,
  type CombinationType,
} from "./combination.js";
export {
  type AttachOptions,
  type CommonFields,
  commonEntries,
  fieldsFromJSON,
  type JSONRules,
  PeftConfig,
  setFields,
} from "./config.js";
export { type GetPeftModelOptions, getPeftModel } from "./getPeftModel.js";
export { type HeadInit, newHead } from "./headInit.js";
export { IA3Config, type IA3Fields } from "./ia3/config.js";
export { LAYOUTS, type Layout } from "./layouts.js";
export { LoraConfig, type LoraFields } from "./lora/config.js";
export { ConvLora } from "./lora/conv.js";
export { EmbeddingLora } from "./lora/embedding.js";
export { type LoraInit, LoraLayer, type LoraLayerOptions } from "./lora/layer.js";
export { LinearLora } from "./lora/linear.js";
export { MergeableParameter, type Merges, mergeAll, unmergeAll } from "./mergeable.js";
export type { Attachment, StepContext, TrainingHooks, UpdateScope } from "./method.js";
export { type LoadAdapterOptions, PeftModel, type SavePretrainedOptions } from "./peftModel.js";
export { PrefixTuningConfig, type PrefixTuningFields } from "./prompts/prefixTuning.js";
export { PromptTuningConfig, type PromptTuningFields } from "./prompts/promptTuning.js";
export { VisualPromptConfig, type VisualPromptFields } from "./prompts/visualPrompt.js";
export { type MethodClass, registerMethod } from "./registry.js";
export {
  attachToResiduals,
  RESIDUAL_STYLES,
  type ResidualPlace,
  type ResidualSide,
  type ResidualStyle,
} from "./residuals.js";
export type { LayerStatus, ModelStatus } from "./status.js";
export { ALL_LINEAR, findTargets, firstMatch, type TargetRules, type Targets } from "./targets.js";
export { copyModulesToSave, type ModulesToSave, startingFrom, TrainedCopies } from "./trainedCopies.js";
export { type Around, type Part, unwrap, wrap } from "./wrap.js";
