// What the text encoders share.

export {
  parseBertConfig,
  parseRobertaConfig,
  type TextConfig,
  type TextModelType,
} from "./config.js";
export {
  type SequenceClassifierOptions,
  type TextClassifierOptions,
  TextHost,
  type TextLoadingOptions,
} from "./host.js";
export { firstToken, TextModel, type TextOutput } from "./model.js";
