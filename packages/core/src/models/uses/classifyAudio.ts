// What sounds are, in one call.

import type { CallableModel } from "./call.js";
import { type Classification, type ClassifyOptions, classesOf } from "./classes.js";
import { type AudioSource, type AudioUse, spectrogramsOf } from "./sounds.js";

export interface ClassifyAudioOptions extends ClassifyOptions, AudioUse {}

/**
 * Names what each sound is, the likeliest first. Sounds of any rate are resampled, and their channels averaged.
 *
 * @param model such as an `ASTForAudioClassification`
 * @throws PeftError ARGUMENT_INVALID for no sounds; AUDIO_INVALID for something that is no sound, or is shorter than a frame;
 *   FILE_MISSING; PEER_MISSING naming the optional package that decodes such files
 */
export async function classifyAudio(
  model: CallableModel,
  sounds: readonly AudioSource[],
  { extractor, ...options }: ClassifyAudioOptions,
): Promise<Classification[][]> {
  return classesOf(model, await spectrogramsOf(sounds, extractor), options);
}
