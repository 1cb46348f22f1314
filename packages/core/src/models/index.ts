// Host models.

export * from "./ast/index.js";
export * from "./bart/index.js";
export * from "./bert/index.js";
export * from "./clip/index.js";
export {
  HostModel,
  type Ia3Targets,
  type ModelArguments,
  type ModelInputs,
  type ModelOutput,
  run,
  type TiedWeight,
  type Trainable,
} from "./hostModel.js";
export { loadHost } from "./loadHost.js";
export type { SaveOptions } from "./loading.js";
export { checkTensors, type ExpectedTensor } from "./mismatch.js";
export { type NameTable, type Naming, nameTable, SAME_NAMES } from "./names.js";
export * from "./roberta/index.js";
export {
  AttentionCache,
  attentionCache,
  type GenerationConfig,
  type KeysAndValues,
  parseGenerationConfig,
  type ResizeOptions,
  Seq2SeqModel,
  type Seq2SeqTokens,
  type StepPlace,
  shiftRight,
} from "./seq2seq/index.js";
export type { ProblemType } from "./sequenceLoss.js";
export * from "./swin/index.js";
export * from "./t5/index.js";
export * from "./text/index.js";
export { eachOf, insertTokens, type PutTokens, TokenPlace, type Tokens } from "./tokenPlace.js";
export * from "./uses/index.js";
export * from "./vit/index.js";
