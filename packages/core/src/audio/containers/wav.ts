// WAV files, read by the package wavefile: whole numbers of a width, or floating ones.

import { loadPeer } from "../../peer.js";
import { audioInvalid, type Sound } from "../sound.js";

/** wavefile's names of the encodings, and how a stored number becomes a sample: by libsndfile's rule, which is torchaudio's. */
const SAMPLE_OF: Readonly<Record<string, (stored: number) => number>> = {
  "8": (stored) => (stored - 128) / 2 ** 7,
  "16": (stored) => stored / 2 ** 15,
  "24": (stored) => stored / 2 ** 23,
  "32": (stored) => stored / 2 ** 31,
  "32f": (stored) => stored,
  "64": (stored) => stored,
};

/** The length that a program writes which does not know it yet. */
const UNKNOWN_LENGTH = 2 ** 32 - 1;

export async function decodeWav(bytes: Uint8Array, place: string): Promise<Sound> {
  const peer = await loadPeer("wavefile", "WAV files are decoded by", () => import("wavefile"));
  // It calls itself an ES module without a default: where this code is CommonJS, the names stand on the module itself.
  const { WaveFile } = peer.default ?? peer;
  const file = new WaveFile(bytes);
  // The package's own types say `object` of both.
  const { sampleRate, numChannels } = file.fmt as { sampleRate: number; numChannels: number };
  const { chunkSize, samples } = file.data as { chunkSize: number; samples: Uint8Array };
  const toSample = SAMPLE_OF[file.bitDepth];
  if (!toSample) throw audioInvalid(`the encoding ${file.bitDepth} is not read`, place);
  if (chunkSize !== UNKNOWN_LENGTH && samples.length < chunkSize) {
    throw audioInvalid(`it is cut off: ${samples.length} bytes of samples instead of ${chunkSize}`, place);
  }
  // All channels, one after the other in time; of one channel and of several the same.
  const stored = file.getSamples(true, Float64Array);
  const length = Math.floor(stored.length / numChannels);
  const channels = Array.from({ length: numChannels }, (_, channel) =>
    Float32Array.from({ length }, (_, i) => toSample(stored[i * numChannels + channel]!)),
  );
  return { channels, samplingRate: sampleRate };
}
