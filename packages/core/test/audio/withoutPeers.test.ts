import { expect, it, vi } from "vitest";
import { decodeAudio } from "../../src/index.js";
import { soundPath } from "./fixtures.js";

vi.mock("wavefile", () => {
  throw new Error("Cannot find package 'wavefile'");
});
vi.mock("@wasm-audio-decoders/flac", () => {
  throw new Error("Cannot find package '@wasm-audio-decoders/flac'");
});
vi.mock("@wasm-audio-decoders/ogg-vorbis", () => {
  throw new Error("Cannot find package '@wasm-audio-decoders/ogg-vorbis'");
});

it.each([
  ["s16.wav", "wavefile"],
  ["s16.flac", "@wasm-audio-decoders/flac"],
  ["vorbis.ogg", "@wasm-audio-decoders/ogg-vorbis"],
])("decoding %s says how to install %s where it is missing", async (file, name) => {
  const error = { code: "PEER_MISSING", hint: `npm install ${name}` };
  await expect(decodeAudio(soundPath(file))).rejects.toMatchObject(error);
});
