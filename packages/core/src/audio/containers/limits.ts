// How long a sound may be.

import { audioInvalid } from "../sound.js";

/** An hour and a half at 48 kHz, 1 GiB of float32 a channel: compressed silence of a few bytes can claim to be years. */
export const MAX_AUDIO_LENGTH: number = 2 ** 28;

export function checkLength(samples: number, place: string): void {
  if (samples > MAX_AUDIO_LENGTH) {
    throw audioInvalid(`${samples} samples are more than the ${MAX_AUDIO_LENGTH} that are read`, place);
  }
}
