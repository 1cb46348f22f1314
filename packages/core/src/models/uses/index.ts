// Models in one call: files and texts in, names, words and vectors out. Each takes a list, and gives one result for each.

export type { CallableModel, TextUse } from "./call.js";
export type { Classification, ClassifyOptions } from "./classes.js";
export { type ClassifyAudioOptions, classifyAudio } from "./classifyAudio.js";
export { type ClassifyImageOptions, classifyImage } from "./classifyImage.js";
export { type ClassifyTextOptions, classifyText } from "./classifyText.js";
export { type AudioFeatures, type EmbedAudioOptions, embedAudio } from "./embedAudio.js";
export { type EmbedImageOptions, embedImage, type ImageFeatures } from "./embedImage.js";
export { type EmbedTextOptions, embedText, type TextFeatures } from "./embedText.js";
export { type FilledWord, type FillMaskOptions, fillMask } from "./fillMask.js";
export type { ImageSource, ImageUse } from "./images.js";
export type { AudioSource, AudioUse } from "./sounds.js";
export type { EmbedOptions } from "./vectors.js";
