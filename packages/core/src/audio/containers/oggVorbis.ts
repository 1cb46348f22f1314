// Ogg files with Vorbis in them, decoded by the package @wasm-audio-decoders/ogg-vorbis, which says nothing of a missing end:
// so the pages are counted here first (RFC 3533, section 6).

import { loadPeer } from "../../peer.js";
import { audioInvalid, type Sound } from "../sound.js";
import { checkLength } from "./limits.js";

/** A page's header, up to the table of its segments' lengths. */
const PAGE_HEADER_BYTES = 27;
const LAST_PAGE = 4;
/** What the first page's only packet begins with. */
const VORBIS = "\u0001vorbis";

export async function decodeOggVorbis(bytes: Uint8Array, place: string): Promise<Sound> {
  const { OggVorbisDecoder } = await loadPeer(
    "@wasm-audio-decoders/ogg-vorbis",
    "Ogg Vorbis files are decoded by",
    () => import("@wasm-audio-decoders/ogg-vorbis"),
  );
  if (!latin1(bytes.subarray(PAGE_HEADER_BYTES + 1)).startsWith(VORBIS)) {
    throw audioInvalid("of Ogg files, those with Vorbis in them are read", place);
  }
  const length = lengthOf(bytes, place);
  checkLength(length, place);
  const decoder = new OggVorbisDecoder();
  await decoder.ready;
  try {
    const { channelData, sampleRate, samplesDecoded, errors } = await decoder.decodeFile(bytes);
    if (errors.length > 0) throw audioInvalid(`it cannot be decoded: ${errors[0]!.message}`, place);
    if (samplesDecoded < length) {
      throw audioInvalid(`it is damaged: ${samplesDecoded} samples instead of ${length}`, place);
    }
    return { channels: channelData, samplingRate: sampleRate };
  } finally {
    decoder.free();
  }
}

/** Samples in each channel, which the last page says. */
function lengthOf(bytes: Uint8Array, place: string): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + PAGE_HEADER_BYTES <= bytes.length; ) {
    const segments = view.getUint8(at + 26);
    const table = bytes.subarray(at + PAGE_HEADER_BYTES, at + PAGE_HEADER_BYTES + segments);
    const next = at + PAGE_HEADER_BYTES + segments + table.reduce((sum, size) => sum + size, 0);
    const isPage = latin1(bytes.subarray(at)).startsWith("OggS");
    if (!isPage) throw audioInvalid(`there is no page at byte ${at}`, place);
    if (next > bytes.length) break;
    if (view.getUint8(at + 5) & LAST_PAGE) return Number(view.getBigInt64(at + 6, true));
    at = next;
  }
  throw audioInvalid("it is cut off: its last page is missing", place);
}

/** The beginning, a character a byte. */
function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, VORBIS.length));
}
