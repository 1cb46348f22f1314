import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AudioFeatureExtractor, readAudioFeatureExtractor } from "../../src/index.js";
import { fixtureNumbers, fixtureShape, goldenSound, largestDifference, soundCases, soundPath } from "./fixtures.js";

describe("readAudioFeatureExtractor", () => {
  let folder: string;
  let usual: AudioFeatureExtractor;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "peft-extractor-"));
    await writeFile(join(folder, "preprocessor_config.json"), "{}");
    usual = await readAudioFeatureExtractor(folder);
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each(soundCases<string>("extractor"))("makes of a sound what transformers makes of it: %s", async (name) => {
    const extractor = await readAudioFeatureExtractor(soundPath(name));
    expect([extractor.maxLength, extractor.bins]).toEqual(fixtureShape("extractor", name));
    const made = extractor.process(fixtureNumbers("extractor", "samples"), 16_000);
    expect(largestDifference(made, fixtureNumbers("extractor", name))).toBeLessThan(2e-5);
  });

  it("has the defaults of the published checkpoints, and pads with 0 before normalising", () => {
    expect(usual).toMatchObject({ samplingRate: 16_000, maxLength: 1024, bins: 128 });
    const made = usual.process(goldenSound(), 16_000);
    expect(made).toHaveLength(1024 * 128);
    expect(new Set(made.subarray(98 * 128))).toEqual(new Set([Math.fround(0.46703236)]));
    expect(made[3]).toBeCloseTo(-1.2775938, 6);
  });

  it("keeps the first frames of a longer sound, and takes another length from its caller", async () => {
    const short = await readAudioFeatureExtractor(folder, { maxLength: 50 });
    expect(short.maxLength).toBe(50);
    expect(short.process(goldenSound(), 16_000)).toEqual(usual.process(goldenSound(), 16_000).slice(0, 50 * 128));
  });

  it("refuses another rate, less than a frame, and what is not finite", () => {
    const refused = (message: string) =>
      expect.objectContaining({ code: "AUDIO_INVALID", message: expect.stringContaining(message) });
    expect(() => usual.process(goldenSound(), 44_100)).toThrow(refused("resample(samples, 44100, 16000)"));
    expect(() => usual.process(new Float32Array(0), 16_000)).toThrow(refused("0 samples"));
    expect(() => usual.process(new Float32Array(399), 16_000)).toThrow(refused("399 samples"));
    expect(() => usual.process(goldenSound().fill(Number.NaN, 7), 16_000)).toThrow(refused("sample 7 is NaN"));
  });

  it("reads the part of processor_config.json that transformers 5 writes, and names the files where there is neither", async () => {
    const other = await mkdtemp(join(folder, "joint-"));
    const message = expect.stringContaining(
      'no preprocessor_config.json, and no processor_config.json with "feature_ext',
    );
    await expect(readAudioFeatureExtractor(other)).rejects.toMatchObject({ code: "FILE_MISSING", message });
    for (const part of ["feature_extractor", "audio_processor"]) {
      await writeFile(join(other, "processor_config.json"), JSON.stringify({ [part]: { num_mel_bins: 32 } }));
      expect((await readAudioFeatureExtractor(other)).bins).toBe(32);
    }
  });

  it("names the field of a file that it does not understand", async () => {
    const wrong = {
      feature_extractor_type: "Wav2Vec2FeatureExtractor",
      feature_size: 2,
      sampling_rate: 10,
      num_mel_bins: 0,
      max_length: 1.5,
      std: 0,
    };
    for (const [field, value] of Object.entries(wrong)) {
      await writeFile(join(folder, "preprocessor_config.json"), JSON.stringify({ [field]: value }));
      const error = { code: "CONFIG_INVALID", message: expect.stringContaining(field) };
      await expect(readAudioFeatureExtractor(folder), field).rejects.toMatchObject(error);
    }
    await writeFile(join(folder, "preprocessor_config.json"), "{}");
    await expect(readAudioFeatureExtractor(folder, { maxLength: 0 })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });
});
