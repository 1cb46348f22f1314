// How a model wants its sounds: what `preprocessor_config.json` or `processor_config.json` beside an audio spectrogram
// transformer's weights says.

import * as v from "valibot";
import { PeftError } from "../errors.js";
import { readPreprocessorConfig } from "../files/preprocessorConfig.js";
import { kaldiFilterBank } from "./filterBank.js";

const whole = v.pipe(v.number(), v.integer(), v.minValue(1));
/**
 * The defaults are those of transformers' ASTFeatureExtractor, which reads `padding_value` and pads with 0 all the same, and
 * whose attention mask no model takes.
 */
const Schema = v.object({
  feature_extractor_type: v.optional(v.literal("ASTFeatureExtractor"), "ASTFeatureExtractor"),
  feature_size: v.optional(v.literal(1), 1),
  sampling_rate: v.optional(v.pipe(v.number(), v.minValue(1000)), 16_000),
  num_mel_bins: v.optional(whole, 128),
  max_length: v.optional(whole, 1024),
  do_normalize: v.optional(v.boolean(), true),
  mean: v.optional(v.number(), -4.2677393),
  std: v.optional(v.pipe(v.number(), v.gtValue(0)), 4.5689974),
});

export interface AudioFeatureExtractor {
  /** Samples a second that it wants. */
  readonly samplingRate: number;
  /** Frames of 10 ms that it gives, whatever a sound's length. */
  readonly maxLength: number;
  readonly bins: number;
  /**
   * A sound as the model's input, [maxLength, bins]: `(log mel - mean) / (2 std)`. A shorter sound is followed by rows of
   * log mel 0, which normalising makes 0.467; of a longer one the first frames count.
   *
   * @param samples mono, from -1 to 1
   * @param samplingRate of the samples
   * @throws PeftError AUDIO_INVALID for fewer samples than a frame's 25 ms, for what is not finite, or for another rate
   */
  process(samples: Float32Array, samplingRate: number): Float32Array;
}

export interface AudioFeatureExtractorOptions {
  /** For a host whose `max_length` is not that of the file. @defaultValue the file's */
  readonly maxLength?: number;
}

/**
 * Reads `preprocessor_config.json` of a model's folder, or "feature_extractor" of its `processor_config.json`, as
 * transformers' ASTFeatureExtractor understands it. The defaults of fields are that extractor's: 16 kHz, 128 mel bins, 1,024
 * frames, AudioSet's mean and deviation.
 *
 * @throws PeftError FILE_MISSING; CONFIG_INVALID naming the field, also for another kind of extractor; JSON_INVALID
 */
export async function readAudioFeatureExtractor(
  directory: string,
  { maxLength }: AudioFeatureExtractorOptions = {},
): Promise<AudioFeatureExtractor> {
  const { json, place } = await readPreprocessorConfig(directory, ["feature_extractor", "audio_processor"]);
  const given = maxLength === undefined ? json : { ...(json as object), max_length: maxLength };
  const parsed = v.safeParse(Schema, given);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new PeftError("CONFIG_INVALID", `${v.getDotPath(issue) ?? "the file"}: ${issue.message}`, { place });
  }
  return audioFeatureExtractor(parsed.output);
}

function audioFeatureExtractor(config: v.InferOutput<typeof Schema>): AudioFeatureExtractor {
  const { sampling_rate: samplingRate, num_mel_bins: bins, max_length, do_normalize, mean, std } = config;
  const bank = kaldiFilterBank(samplingRate, bins);
  return {
    samplingRate,
    maxLength: max_length,
    bins,
    process(samples, rate) {
      checkSamples(samples, rate, bank.samplingRate, bank.frameLength);
      const out = new Float32Array(max_length * bins);
      out.set(bank.logMel(samples, Math.min(bank.frames(samples.length), max_length)));
      if (do_normalize) for (let i = 0; i < out.length; i++) out[i] = (out[i]! - mean) / (2 * std);
      return out;
    },
  };
}

function checkSamples(samples: Float32Array, rate: number, wanted: number, least: number): void {
  if (rate !== wanted) {
    throw new PeftError("AUDIO_INVALID", `the sound has ${rate} samples a second, and the model wants ${wanted}`, {
      hint: `resample(samples, ${rate}, ${wanted})`,
    });
  }
  if (samples.length < least) {
    throw new PeftError("AUDIO_INVALID", `${samples.length} samples are less than one frame of ${least}`, {
      hint: "leave the sound out, or add zeros to its end",
    });
  }
  const wrong = samples.findIndex((sample) => !Number.isFinite(sample));
  if (wrong >= 0) throw new PeftError("AUDIO_INVALID", `sample ${wrong} is ${samples[wrong]}`);
}
