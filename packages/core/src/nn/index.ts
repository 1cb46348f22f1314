// Modules and layers.

export { type ActivationName, activation } from "./activation.js";
export { BatchNorm, type BatchNormLayerOptions } from "./batchNorm.js";
export { Branch } from "./branch.js";
export { Conv2d, type Conv2dOptions } from "./conv2d.js";
export { ConvTranspose2d, type ConvTranspose2dOptions } from "./convTranspose2d.js";
export { Dropout } from "./dropout.js";
export { Embedding, type EmbeddingOptions } from "./embedding.js";
export { GroupNorm } from "./groupNorm.js";
export { constant, type Initializer, kaimingUniform, normal, ones, uniform, zeros } from "./init.js";
export { LayerNorm } from "./layerNorm.js";
export { Linear, type LinearOptions } from "./linear.js";
export {
  children,
  getModule,
  Layer,
  Module,
  namedModules,
  namedParameters,
  nameModules,
  type Slot,
  slots,
} from "./module.js";
export { AvgPool2d, MaxPool2d, Upsample } from "./resample.js";
export { Residual } from "./residual.js";
export { RMSNorm } from "./rmsNorm.js";
