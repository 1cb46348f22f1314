// What encoder-decoder hosts have in common.

export { type AttendOptions, type AttentionKind, attend, keysAndValues, withPrefix } from "./attention.js";
export { AttentionCache, attentionCache, type KeysAndValues, type StepPlace } from "./cache.js";
export {
  type GenerationConfig,
  parseGenerationConfig,
  readGenerationConfig,
  writeGenerationConfig,
} from "./generationConfig.js";
export { decoderMask, Seq2SeqModel, type Seq2SeqTokens } from "./host.js";
export { IGNORED_LABEL, shiftRight } from "./labels.js";
export { type ResizeOptions, resizeRows } from "./resize.js";
export { areEqual, sharedMatrix } from "./sharedMatrix.js";
