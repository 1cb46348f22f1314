export * from "./data/index.js";
export { PeftError, type PeftErrorCode, type PeftErrorOptions } from "./errors.js";
export * from "./files/index.js";
