// @peft/core: the public face.

export * from "./engine/index.js";
export { PeftError, type PeftErrorCode, type PeftErrorOptions } from "./errors.js";
<<<<<<< HEAD
export * from "./models/index.js";
export * from "./nn/index.js";
export * from "./ops/index.js";
=======
export * from "./files/index.js";
>>>>>>> files
