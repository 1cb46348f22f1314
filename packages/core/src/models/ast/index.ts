// The audio spectrogram transformer as a host.

export { ASTForAudioClassification, type ASTForAudioClassificationOptions } from "./audioClassification.js";
export type { ASTLoadingOptions } from "./checkpoint.js";
export { type ASTConfig, parseASTConfig, serializeASTConfig } from "./config.js";
export { ASTModel, type ASTOutput } from "./model.js";
