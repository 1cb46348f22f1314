// @peft/core: the public face.

export * from "./adapters/index.js";
export * from "./audio/index.js";
export * from "./data/index.js";
export * from "./engine/index.js";
export { type Env, env, type PeftWarning } from "./env.js";
export { PeftError, type PeftErrorCode, type PeftErrorOptions } from "./errors.js";
export * from "./files/index.js";
export * from "./generation/index.js";
export type { HostArray } from "./hostArray.js";
export * from "./hub/index.js";
export * from "./metrics/index.js";
export * from "./models/index.js";
export * from "./nn/index.js";
export { exportOnnx } from "./onnx/exportOnnx.js";
export * from "./ops/index.js";
export * from "./tokenizers/index.js";
export * from "./train/index.js";
