// T5 as a host.

export type { T5LoadingOptions } from "./checkpoint.js";
export { T5ForConditionalGeneration } from "./conditionalGeneration.js";
export { parseT5Config, serializeT5Config, type T5Config } from "./config.js";
export { T5Decoder, type T5DecoderInputs, T5Encoder, type T5EncoderInputs, type T5StackOutput } from "./stack.js";
