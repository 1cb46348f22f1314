// FLAC files, decoded by the package @wasm-audio-decoders/flac. It divides by one less than libsndfile and torchaudio do; the
// stored integers are found again, so that a sample is exact.

import { loadPeer } from "../../peer.js";
import { audioInvalid, type Sound } from "../sound.js";
import { checkLength } from "./limits.js";

/** "fLaC", the header of the first block, and the block, which is always STREAMINFO. */
const HEADER_BYTES = 4 + 4 + 34;

export async function decodeFlac(bytes: Uint8Array, place: string): Promise<Sound> {
  const { FLACDecoder } = await loadPeer(
    "@wasm-audio-decoders/flac",
    "FLAC files are decoded by",
    () => import("@wasm-audio-decoders/flac"),
  );
  if (bytes.length < HEADER_BYTES) throw audioInvalid("it is cut off in its header", place);
  const length = lengthOf(bytes);
  if (length === 0) throw audioInvalid("its header does not say how long it is", place);
  checkLength(length, place);
  const decoder = new FLACDecoder();
  await decoder.ready;
  try {
    const { channelData, sampleRate, bitDepth, samplesDecoded, errors } = await decoder.decodeFile(bytes);
    if (errors.length > 0) throw audioInvalid(`it cannot be decoded: ${errors[0]!.message}`, place);
    if (samplesDecoded < length) {
      throw audioInvalid(`it is cut off or damaged: ${samplesDecoded} samples instead of ${length}`, place);
    }
    const steps = 2 ** (bitDepth - 1);
    const channels = channelData.map((channel) => channel.map((x) => Math.round(x * (steps - 1)) / steps));
    return { channels, samplingRate: sampleRate };
  } finally {
    decoder.free();
  }
}

/** Samples in each channel, the last 36 bits of the eight bytes that begin with the rate; 0 for unknown. */
function lengthOf(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return (view.getUint8(21) & 0xf) * 2 ** 32 + view.getUint32(22);
}
