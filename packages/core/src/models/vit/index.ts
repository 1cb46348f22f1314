// The vision transformer as a host.

export type { ViTLoadingOptions } from "./checkpoint.js";
export { parseViTConfig, serializeViTConfig, type ViTConfig } from "./config.js";
export { ViTForImageClassification, type ViTForImageClassificationOptions } from "./imageClassification.js";
export { ViTModel, type ViTOutput } from "./model.js";
