// A decoded sound, and one channel of it.

import { PeftError } from "../errors.js";

export interface Sound {
  /** Equally long, from -1 to 1 (samples of floating files may go beyond). */
  readonly channels: readonly Float32Array[];
  /** Samples a second and channel. */
  readonly samplingRate: number;
}

/** The mean of a sound's channels. (The recipes of the AST adapters take `channels[0]` instead.) */
export function toMono({ channels }: Sound): Float32Array {
  const [first, ...others] = channels;
  if (!first) throw new PeftError("AUDIO_INVALID", "the sound has no channel");
  if (others.length === 0) return first.slice();
  return first.map((sample, i) => others.reduce((sum, channel) => sum + channel[i]!, sample) / channels.length);
}

/** What is wrong with a file. */
export function audioInvalid(message: string, place: string, cause?: unknown): PeftError {
  return new PeftError("AUDIO_INVALID", `not a sound that can be used: ${message}`, {
    place,
    hint: "remove the file, or save it again as a WAV file of 16 bits",
    cause,
  });
}
