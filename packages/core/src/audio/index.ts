// Sounds: decoding, resampling, and the log-mel features of audio spectrogram transformers.

export { MAX_AUDIO_LENGTH } from "./containers/limits.js";
export { decodeAudio } from "./decodeAudio.js";
export {
  type AudioFeatureExtractor,
  type AudioFeatureExtractorOptions,
  readAudioFeatureExtractor,
} from "./featureExtractor.js";
export { type FilterBank, kaldiFilterBank } from "./filterBank.js";
export { resample } from "./resample.js";
export { type Sound, toMono } from "./sound.js";
