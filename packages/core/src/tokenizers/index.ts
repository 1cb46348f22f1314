// Texts as models take them.

export { loadTokenizer } from "./loadTokenizer.js";
export { type EncodeOptions, type ExampleOptions, type TextBatch, Tokenizer } from "./tokenizer.js";
