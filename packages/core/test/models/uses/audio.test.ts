import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import wavefile from "wavefile";
import {
  ASTForAudioClassification,
  ASTModel,
  type AudioFeatureExtractor,
  classifyAudio,
  decodeAudio,
  embedAudio,
  parseASTConfig,
  readAudioFeatureExtractor,
  resample,
  useEngine,
} from "../../../src/index.js";
import { fillGolden } from "../../../src/testing/index.js";
import { newFolder } from "../changedFolder.js";

const LABELS = ["bell", "dog", "rain"];
const config = parseASTConfig(
  {
    model_type: "audio-spectrogram-transformer",
    hidden_size: 16,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    intermediate_size: 16,
    max_length: 60,
    num_mel_bins: 32,
    id2label: { 0: "bell", 1: "dog", 2: "rain" },
  },
  "test",
);
/** Half a second of two tones. */
const tones = (samplingRate: number) =>
  Float32Array.from({ length: samplingRate / 2 }, (_, i) => {
    const t = (2 * Math.PI * i) / samplingRate;
    return 0.5 * Math.sin(440 * t) + 0.2 * Math.sin(1330 * t);
  });

let folder: string;
let extractor: AudioFeatureExtractor;

beforeAll(async () => {
  await useEngine("compiled", { threads: 2 });
  folder = await newFolder();
  await writeFile(
    join(folder, "preprocessor_config.json"),
    JSON.stringify({ feature_extractor_type: "ASTFeatureExtractor", num_mel_bins: 32, max_length: 60 }),
  );
  extractor = await readAudioFeatureExtractor(folder);
});

describe("a sound model in one call", () => {
  it("names what sounds are: a file, its bytes, and what is decoded alike, at the rate that the model wants", async () => {
    const wav = new wavefile.WaveFile();
    const path = join(folder, "sound.wav");
    wav.fromScratch(
      1,
      8000,
      "16",
      tones(8000).map((x) => Math.round(x * 32_768)),
    );
    await writeFile(path, wav.toBuffer());
    const model = new ASTForAudioClassification(config);
    fillGolden(model.parameters());
    const decoded = await decodeAudio(path);
    const inputs = extractor.process(resample(decoded.channels[0]!, 8000, 16_000), 16_000);
    const { logits } = await model({ inputValues: { data: inputs, shape: [1, 60, 32], dtype: "float32" } });
    const numbers = [...(await logits.data())];
    const total = numbers.reduce((sum, x) => sum + Math.exp(x), 0);

    const found = await classifyAudio(model, [path, wav.toBuffer(), decoded], { extractor, labels: LABELS });
    for (const classes of found) {
      expect(classes.map(({ label }) => label).sort()).toEqual(LABELS);
      for (const { label, score } of classes) {
        expect(score).toBeCloseTo(Math.exp(numbers[LABELS.indexOf(label)]!) / total, 5);
      }
      expect(classes[0]!.score).toBeGreaterThanOrEqual(classes[1]!.score);
    }
    const several = { extractor, labels: LABELS, problemType: "multi_label_classification", topK: 1 } as const;
    const [[best]] = (await classifyAudio(model, [path], several)) as [[{ label: string; score: number }]];
    expect(best.score).toBeCloseTo(1 / (1 + Math.exp(-Math.max(...numbers))), 5);
  });

  it("takes the mean of a sound's channels", async () => {
    const model = new ASTForAudioClassification(config);
    fillGolden(model.parameters());
    const mono = tones(16_000);
    const silent = new Float32Array(mono.length);
    const stereo = { channels: [mono.map((x) => 2 * x), silent], samplingRate: 16_000 };
    const options = { extractor, labels: LABELS };
    const [a, b] = await classifyAudio(model, [{ channels: [mono], samplingRate: 16_000 }, stereo], options);
    for (const [i, { label, score }] of a!.entries()) {
      expect(b![i]!.label).toBe(label);
      expect(b![i]!.score).toBeCloseTo(score, 5);
    }
  });

  it("gives vectors, the mean of the two tokens in front, of length 1 or as they are", async () => {
    const model = new ASTModel(config);
    const sounds = [
      { channels: [tones(16_000)], samplingRate: 16_000 },
      { channels: [tones(22_050)], samplingRate: 22_050 },
    ];
    const [first, second] = await embedAudio(model, sounds, { extractor });
    expect(first).toHaveLength(16);
    expect(Math.hypot(...first!)).toBeCloseTo(1, 5);
    // The same sound at two rates, but for what resampling does at its end.
    expect(first!.reduce((sum, x, i) => sum + x * second![i]!, 0)).toBeGreaterThan(0.99);
    const [plain] = await embedAudio(model, sounds, { extractor, normalize: false });
    const length = Math.hypot(...plain!);
    for (const [i, x] of plain!.entries()) expect(first![i]).toBeCloseTo(x / length, 5);
  });

  it("refuses no sounds, what is no sound, and what is shorter than a frame", async () => {
    const model = new ASTForAudioClassification(config);
    const options = { extractor, labels: LABELS };
    await expect(classifyAudio(model, [], options)).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    const text = new TextEncoder().encode("no sound");
    await expect(classifyAudio(model, [text], options)).rejects.toMatchObject({ code: "AUDIO_INVALID" });
    const short = { channels: [new Float32Array(30)], samplingRate: 16_000 };
    await expect(classifyAudio(model, [short], options)).rejects.toMatchObject({ code: "AUDIO_INVALID" });
    const empty = { channels: [], samplingRate: 16_000 };
    await expect(classifyAudio(model, [empty], options)).rejects.toMatchObject({ code: "AUDIO_INVALID" });
  });
});
