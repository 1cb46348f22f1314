// Generation by encoder-decoder models.

export { type Generated, generate } from "./generate.js";
export { type GenerateTextOptions, generateText } from "./generateText.js";
export type { GenerateOptions } from "./options.js";
