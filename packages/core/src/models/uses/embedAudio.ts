// What sounds are as vectors, in one call.

import type * as tf from "@tensorflow/tfjs";
import type { ModelInputs } from "../hostModel.js";
import { type AudioSource, type AudioUse, spectrogramsOf } from "./sounds.js";
import { type EmbedOptions, vectorsOf } from "./vectors.js";

/** A model with vectors for sounds. */
export interface AudioFeatures {
  /** [sounds, width] */
  audioFeatures(inputs: ModelInputs): tf.Tensor;
}

export interface EmbedAudioOptions extends EmbedOptions, AudioUse {}

/**
 * The vector of each sound. Sounds of any rate are resampled, and their channels averaged.
 *
 * @param model an `ASTModel`
 * @throws PeftError ARGUMENT_INVALID for no sounds; AUDIO_INVALID, FILE_MISSING, PEER_MISSING
 */
export async function embedAudio(
  model: AudioFeatures,
  sounds: readonly AudioSource[],
  { extractor, ...options }: EmbedAudioOptions,
): Promise<Float32Array[]> {
  const inputs = await spectrogramsOf(sounds, extractor);
  return vectorsOf(model, inputs, "audio", (batch) => model.audioFeatures(batch), options);
}
