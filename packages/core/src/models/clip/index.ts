// CLIP and its encoders as hosts.

export {
  type CLIPConfig,
  type CLIPEncoderConfig,
  type CLIPTextConfig,
  type CLIPVisionConfig,
  parseCLIPConfig,
  parseCLIPTextConfig,
  parseCLIPVisionConfig,
} from "./config.js";
export { type CLIPEncoderOptions, CLIPTextModel, type CLIPVisionLoadingOptions, CLIPVisionModel } from "./encoders.js";
export { CLIPModel } from "./model.js";
export type { CLIPOutput } from "./text.js";
