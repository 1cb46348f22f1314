// What the text encoders share.

export type { CallableTextModel, TextUse } from "./callText.js";
export { type ClassifyTextOptions, classifyText } from "./classifyText.js";
export {
  parseBertConfig,
  parseRobertaConfig,
  type TextConfig,
  type TextModelType,
} from "./config.js";
export { type EmbedOptions, embed } from "./embed.js";
export { type FilledWord, type FillMaskOptions, fillMask } from "./fillMask.js";
export {
  type SequenceClassifierOptions,
  type TextClassifierOptions,
  TextHost,
  type TextLoadingOptions,
} from "./host.js";
export { firstToken, TextModel, type TextOutput } from "./model.js";
