// @peft/core: the public face.

export * from "./adapters/index.js";
// Element types of tensors in a graph; those of files have a type of the same name in their own folder.
export type { DType } from "./engine/index.js";
export * from "./engine/index.js";
export { type Env, env, type PeftWarning } from "./env.js";
export { PeftError, type PeftErrorCode, type PeftErrorOptions } from "./errors.js";
export * from "./files/index.js";
export * from "./models/index.js";
export * from "./nn/index.js";
export * from "./ops/index.js";
