// Decoding sound files, with kept libraries that are asked for when a file of their kind comes.

import { readFile } from "node:fs/promises";
import { PeftError } from "../errors.js";
import { unreadable } from "../files/fileErrors.js";
import { decodeFlac } from "./containers/flac.js";
import { decodeOggVorbis } from "./containers/oggVorbis.js";
import { decodeWav } from "./containers/wav.js";
import { audioInvalid, type Sound } from "./sound.js";

type Decode = (bytes: Uint8Array, place: string) => Promise<Sound>;

/** By the first four bytes of a file. */
const CONTAINERS: Readonly<Record<string, Decode>> = { RIFF: decodeWav, fLaC: decodeFlac, OggS: decodeOggVorbis };

/**
 * Decodes a sound file, given by path or by its bytes: WAV (whole numbers of 8, 16, 24 and 32 bits, float32, float64), FLAC,
 * Ogg Vorbis. Integers of n bits are divided by 2^(n-1), as libsndfile and torchaudio do: WAV and FLAC give their bits.
 *
 * @param place names the origin of bytes
 * @throws PeftError PEER_MISSING naming the optional package that decodes such files; FILE_MISSING, FILE_UNREADABLE;
 *   AUDIO_INVALID for another container or encoding, for what is cut off or longer than MAX_AUDIO_LENGTH, and where there
 *   are no samples
 */
export async function decodeAudio(pathOrBytes: string | Uint8Array, place?: string): Promise<Sound> {
  const where = place ?? (typeof pathOrBytes === "string" ? pathOrBytes : "sound bytes");
  const bytes = typeof pathOrBytes === "string" ? await readSoundFile(pathOrBytes) : pathOrBytes;
  const magic = String.fromCharCode(...bytes.subarray(0, 4));
  const decode = Object.hasOwn(CONTAINERS, magic) ? CONTAINERS[magic] : undefined;
  if (!decode) throw audioInvalid("it is no WAV, FLAC or Ogg file", where);
  const sound = await decode(bytes, where).catch((cause) => {
    if (cause instanceof PeftError) throw cause;
    throw audioInvalid(`it cannot be decoded: ${(cause as Error).message}`, where, cause);
  });
  if (!(sound.channels[0] && sound.channels[0].length > 0)) throw audioInvalid("it has no samples", where);
  return sound;
}

async function readSoundFile(path: string): Promise<Uint8Array> {
  return readFile(path).catch((cause) => {
    throw unreadable(path, cause);
  });
}
