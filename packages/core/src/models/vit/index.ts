// The vision transformer as a host.

export { parseViTConfig, serializeViTConfig, type ViTConfig } from "./config.js";
export { ViTForImageClassification } from "./imageClassification.js";
export { ViTModel, type ViTOutput } from "./model.js";
