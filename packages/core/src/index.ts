export { PeftError, type PeftErrorCode, type PeftErrorOptions } from "./errors.js";
