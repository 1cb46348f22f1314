// Sounds as a model's input.

import { type AudioFeatureExtractor, decodeAudio, resample, type Sound, toMono } from "../../audio/index.js";
import { PeftError } from "../../errors.js";
import type { HostArray } from "../../hostArray.js";

/** A file's path, a file's bytes, or a decoded sound. */
export type AudioSource = string | Uint8Array | Sound;

export interface AudioUse {
  /** The checkpoint's, from `readAudioFeatureExtractor`. */
  readonly extractor: AudioFeatureExtractor;
}

/**
 * `inputValues` of sounds, [sounds, frames, bins]: the mean of each sound's channels, at the rate that the extractor wants.
 *
 * @throws PeftError ARGUMENT_INVALID for no sounds, or a rate that is not whole; AUDIO_INVALID, FILE_MISSING, PEER_MISSING
 */
export async function spectrogramsOf(
  sounds: readonly AudioSource[],
  extractor: AudioFeatureExtractor,
): Promise<{ inputValues: HostArray }> {
  if (sounds.length === 0) throw new PeftError("ARGUMENT_INVALID", "there are no sounds");
  const { samplingRate, maxLength, bins } = extractor;
  const size = maxLength * bins;
  const data = new Float32Array(sounds.length * size);
  for (const [i, given] of sounds.entries()) {
    const isFile = typeof given === "string" || given instanceof Uint8Array;
    const sound = isFile ? await decodeAudio(given) : given;
    const mono = toMono(sound);
    const samples = sound.samplingRate === samplingRate ? mono : resample(mono, sound.samplingRate, samplingRate);
    data.set(extractor.process(samples, samplingRate), i * size);
  }
  return { inputValues: { data, shape: [sounds.length, maxLength, bins], dtype: "float32" } };
}
