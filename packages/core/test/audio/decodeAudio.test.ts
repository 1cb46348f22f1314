import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeAudio, PeftError, toMono } from "../../src/index.js";
import { fixtureNumbers, fixtureShape, largestDifference, soundCases, soundPath } from "./fixtures.js";

const names = soundCases<string>("files");

/** A WAV file of one channel. @param subformat where its header is the extensible one */
function wav(format: number, bits: number, data: Uint8Array, subformat?: number): Buffer {
  const header = Buffer.alloc(subformat === undefined ? 36 : 60);
  header.write("RIFF    WAVEfmt ");
  header.writeUInt32LE(header.length - 20, 16);
  header.writeUInt16LE(format, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(8000, 24);
  header.writeUInt32LE((8000 * bits) / 8, 28);
  header.writeUInt16LE(bits / 8, 32);
  header.writeUInt16LE(bits, 34);
  if (subformat !== undefined) {
    header.writeUInt16LE(22, 36);
    header.writeUInt16LE(bits, 38);
    header.writeUInt32LE(4, 40);
    header.writeUInt16LE(subformat, 44);
    header.write("000000001000800000aa00389b71", 46, "hex");
  }
  const size = Buffer.alloc(4);
  size.writeUInt32LE(data.length);
  const whole = Buffer.concat([header, Buffer.from("data"), size, data, Buffer.alloc(data.length % 2)]);
  whole.writeUInt32LE(whole.length - 8, 4);
  return whole;
}

describe("decodeAudio", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "peft-audio-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each(names)("gives the samples that libsndfile gives: %s", async (name) => {
    const { channels, samplingRate } = await decodeAudio(soundPath(name));
    const [count, length] = fixtureShape("files", name);
    expect(channels.map((channel) => channel.length)).toEqual(Array(count).fill(length));
    expect(samplingRate).toBe(count === 1 ? 8000 : 22_050);
    const all = Float32Array.from(channels.flatMap((channel) => [...channel]));
    // Vorbis is computed in float32, in whatever order; the others are integers or copies.
    const bound = name.endsWith(".ogg") ? 5e-7 : 0;
    expect(largestDifference(all, fixtureNumbers("files", name))).toBeLessThanOrEqual(bound);
  });

  it("takes what the samples of a WAV file are from its extensible header", async () => {
    const numbers = [0.5, -0.25, 0.125];
    const decoded = async (bits: number, data: ArrayBufferView, subformat: number) => {
      const sound = await decodeAudio(wav(0xfffe, bits, new Uint8Array(data.buffer), subformat));
      return [...sound.channels[0]!];
    };
    expect(await decoded(32, Float32Array.from(numbers), 3)).toEqual(numbers);
    expect(await decoded(64, Float64Array.from(numbers), 3)).toEqual(numbers);
    expect(
      await decoded(
        16,
        Int16Array.from(numbers, (x) => x * 2 ** 15),
        1,
      ),
    ).toEqual(numbers);
    expect(
      await decoded(
        32,
        Int32Array.from(numbers, (x) => x * 2 ** 31),
        1,
      ),
    ).toEqual(numbers);
    // A-law, with its eight bits.
    const refused = { code: "AUDIO_INVALID", message: expect.stringContaining("the encoding 6 of 8 bits") };
    await expect(decoded(8, Uint8Array.of(1, 2), 6)).rejects.toMatchObject(refused);
  });

  it("takes no byte behind a WAV file's samples for one", async () => {
    const odd = await decodeAudio(wav(1, 8, Uint8Array.of(64, 128, 192)));
    expect([...odd.channels[0]!]).toEqual([-0.5, 0, 0.5]);
    const stray = await decodeAudio(wav(1, 16, Uint8Array.of(0, 64, 0, 192, 1)));
    expect([...stray.channels[0]!]).toEqual([0.5, -0.5]);
  });

  it("decodes bytes as it decodes a file, wherever in a buffer they lie", async () => {
    for (const name of names) {
      const bytes = readFileSync(soundPath(name));
      const shifted = new Uint8Array(bytes.length + 3).subarray(3);
      shifted.set(bytes);
      expect(await decodeAudio(shifted), name).toEqual(await decodeAudio(soundPath(name)));
    }
  });

  it.each(names)("says that a file is cut off: %s", async (name) => {
    const bytes = readFileSync(soundPath(name));
    for (const share of [0.99, 0.7, 0.02]) {
      const cut = bytes.subarray(0, Math.ceil(bytes.length * share));
      await expect(decodeAudio(cut, "cut"), `${share}`).rejects.toMatchObject({ code: "AUDIO_INVALID", place: "cut" });
    }
  });

  it("names the file of another container or encoding, and the one without samples", async () => {
    const empty = readFileSync(soundPath("s16.wav")).subarray(0, 44);
    empty.writeUInt32LE(36, 4);
    empty.writeUInt32LE(0, 40);
    const contents = {
      "nothing.wav": Buffer.alloc(0),
      "text.wav": Buffer.from("not a sound"),
      "video.wav": Buffer.from("RIFF\u0010\0\0\0AVI LIST"),
      "empty.wav": empty,
      "opus.ogg": readFileSync(soundPath("opus.ogg")),
    };
    for (const [name, content] of Object.entries(contents)) {
      const path = join(folder, name);
      await writeFile(path, content);
      await expect(decodeAudio(path), name).rejects.toMatchObject({ code: "AUDIO_INVALID", place: path });
    }
    await expect(decodeAudio(join(folder, "absent.wav"))).rejects.toMatchObject({ code: "FILE_MISSING" });
  });

  it("refuses a FLAC or Ogg file that claims to be years long before decoding it", async () => {
    const flac = readFileSync(soundPath("s16.flac"));
    flac[21]! |= 0xf;
    const ogg = readFileSync(soundPath("vorbis.ogg"));
    ogg.writeUInt32LE(2 ** 30, ogg.lastIndexOf("OggS") + 6);
    for (const bytes of [flac, ogg]) {
      const error = { code: "AUDIO_INVALID", message: expect.stringContaining("samples are more than") };
      await expect(decodeAudio(bytes)).rejects.toMatchObject(error);
    }
  });

  it("gives samples or a PeftError for files with changed bytes", async () => {
    const files = names.map((name) => readFileSync(soundPath(name)));
    const change = fc.record({
      file: fc.constantFrom(...files),
      at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
    });
    await fc.assert(
      fc.asyncProperty(change, async ({ file, at, bytes }) => {
        const changed = Uint8Array.from(file);
        changed.set(bytes.subarray(0, changed.length), Math.floor(at * at * (changed.length - bytes.length)));
        const result = await decodeAudio(changed).catch((error) => error);
        if (!(result instanceof PeftError)) expect(result.channels[0].length).toBeGreaterThan(0);
      }),
      { numRuns: 150 },
    );
  });
});

describe("toMono", () => {
  it("is the mean of the channels", () => {
    const channels = [Float32Array.of(1, 0, -1), Float32Array.of(0, 0.5, -1)];
    expect([...toMono({ channels, samplingRate: 8000 })]).toEqual([0.5, 0.25, -1]);
  });

  it("is a copy of one channel, and nothing of none", () => {
    const channel = Float32Array.of(1, 2);
    const mono = toMono({ channels: [channel], samplingRate: 8000 });
    expect(mono).toEqual(channel);
    expect(mono).not.toBe(channel);
    const error = expect.objectContaining({ code: "AUDIO_INVALID" });
    expect(() => toMono({ channels: [], samplingRate: 8000 })).toThrow(error);
  });
});
