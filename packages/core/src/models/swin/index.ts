// The Swin transformer as a host.

export { parseSwinConfig, type SwinConfig, serializeSwinConfig } from "./config.js";
export { SwinForImageClassification, type SwinForImageClassificationOptions } from "./imageClassification.js";
export { SwinModel, type SwinOutput } from "./model.js";
