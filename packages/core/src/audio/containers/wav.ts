// WAV files, taken apart by the package wavefile: whole numbers of a width, or floating ones.

import { loadPeer } from "../../peer.js";
import { audioInvalid, type Sound } from "../sound.js";

/** What the header says of the samples. */
interface Format {
  readonly audioFormat: number;
  readonly numChannels: number;
  readonly sampleRate: number;
  readonly bitsPerSample: number;
  /** The first of its four numbers says what `audioFormat` says in files without. */
  readonly subformat: readonly number[];
}

const INTEGER = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;

type ReadSample = (view: DataView, at: number) => number;

/** A stored number as a sample, by encoding and bits: by libsndfile's rule, which is torchaudio's. */
const SAMPLES: Readonly<Record<string, ReadSample>> = {
  [`${INTEGER} 8`]: (view, at) => (view.getUint8(at) - 128) / 2 ** 7,
  [`${INTEGER} 16`]: (view, at) => view.getInt16(at, true) / 2 ** 15,
  [`${INTEGER} 24`]: (view, at) => (view.getInt8(at + 2) * 2 ** 16 + view.getUint16(at, true)) / 2 ** 23,
  [`${INTEGER} 32`]: (view, at) => view.getInt32(at, true) / 2 ** 31,
  [`${FLOAT} 32`]: (view, at) => view.getFloat32(at, true),
  [`${FLOAT} 64`]: (view, at) => view.getFloat64(at, true),
};

/** The length that a program writes which does not know it yet. */
const UNKNOWN_LENGTH = 2 ** 32 - 1;

export async function decodeWav(bytes: Uint8Array, place: string): Promise<Sound> {
  const peer = await loadPeer("wavefile", "WAV files are decoded by", () => import("wavefile"));
  // It calls itself an ES module without a default: where this code is CommonJS, the names stand on the module itself.
  const { WaveFile } = peer.default ?? peer;
  const file = new WaveFile(bytes);
  // The package's own types say `object` of both.
  const { audioFormat, numChannels, sampleRate, bitsPerSample, subformat } = file.fmt as Format;
  const { chunkSize, samples } = file.data as { chunkSize: number; samples: Uint8Array };
  const encoding = audioFormat === EXTENSIBLE ? subformat[0] : audioFormat;
  const sampleAt = SAMPLES[`${encoding} ${bitsPerSample}`];
  if (!sampleAt) throw audioInvalid(`the encoding ${encoding} of ${bitsPerSample} bits is not read`, place);
  const size = chunkSize === UNKNOWN_LENGTH ? samples.length : chunkSize;
  if (samples.length < size) {
    throw audioInvalid(`it is cut off: ${samples.length} bytes of samples instead of ${size}`, place);
  }
  // A chunk of an odd size is followed by a byte that is not of it, and has no whole number of samples of several bytes.
  const width = bitsPerSample / 8;
  const length = Math.floor(size / width / numChannels);
  const view = new DataView(samples.buffer, samples.byteOffset, samples.byteLength);
  const channels = Array.from({ length: numChannels }, (_, channel) =>
    Float32Array.from({ length }, (_, i) => sampleAt(view, width * (i * numChannels + channel))),
  );
  return { channels, samplingRate: sampleRate };
}
