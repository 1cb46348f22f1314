// Sounds: decoding, resampling, and the log-mel features of audio spectrogram transformers.

export {
  type AudioFeatureExtractor,
  type AudioFeatureExtractorOptions,
  readAudioFeatureExtractor,
} from "./featureExtractor.js";
export { type FilterBank, kaldiFilterBank } from "./filterBank.js";
