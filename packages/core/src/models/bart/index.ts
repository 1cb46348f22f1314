// BART as a host.

export type { BartLoadingOptions } from "./checkpoint.js";
export { BartForConditionalGeneration } from "./conditionalGeneration.js";
export { type BartConfig, type BartStackConfig, parseBartConfig, serializeBartConfig } from "./config.js";
export { BartDecoder, type BartDecoderInputs, BartEncoder, BartModel } from "./model.js";
export { BartForSequenceClassification, type BartForSequenceClassificationOptions } from "./sequenceClassification.js";
