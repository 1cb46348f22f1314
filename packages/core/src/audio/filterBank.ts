// Kaldi's log-mel filter bank as torchaudio's `compliance.kaldi.fbank` computes it with a Hanning window and no dither
// (ast-adapter.md §2.2), in float64: frames of 25 ms every 10 ms, whole ones only.

import { PeftError } from "../errors.js";
import { powerSpectrum } from "./powerSpectrum.js";

const FRAME_MILLISECONDS = 25;
const SHIFT_MILLISECONDS = 10;
const PRE_EMPHASIS = 0.97;
const LOWEST_HERTZ = 20;
/** float32's epsilon: what energies are raised to before the logarithm. */
const FLOOR = 2 ** -23;

export interface FilterBank {
  /** Samples a second. */
  readonly samplingRate: number;
  readonly bins: number;
  /** Samples in a frame. */
  readonly frameLength: number;
  /** Frames in so many samples; 0 where there are fewer than one frame. */
  frames(samples: number): number;
  /**
   * Natural logarithms of the energies of the first frames.
   *
   * @param samples mono, from -1 to 1
   * @returns [frames, bins], row-major
   */
  logMel(samples: Float32Array, frames: number): Float32Array;
}

/** A triangle over some neighbouring bins of the spectrum. */
interface Filter {
  readonly start: number;
  readonly weights: Float64Array;
}

/**
 * A filter bank with triangles of equal width in mel from 20 Hz to half the sampling rate.
 *
 * @throws PeftError ARGUMENT_INVALID for a rate under 1,000 Hz or no bins
 */
export function kaldiFilterBank(samplingRate: number, bins: number): FilterBank {
  if (!(samplingRate >= 1000 && Number.isInteger(bins) && bins > 0)) {
    throw new PeftError("ARGUMENT_INVALID", `a filter bank of ${bins} bins at ${samplingRate} Hz`, {
      hint: "from 1000 Hz on, with a whole and positive number of bins",
    });
  }
  const frameLength = Math.trunc(samplingRate * FRAME_MILLISECONDS * 0.001);
  const shift = Math.trunc(samplingRate * SHIFT_MILLISECONDS * 0.001);
  const size = 2 ** Math.ceil(Math.log2(frameLength));
  const window = hann(frameLength);
  const filters = melFilters(samplingRate, bins, size);
  const spectrum = powerSpectrum(size);
  const frame = new Float64Array(size);
  const power = new Float64Array(size / 2 + 1);
  return {
    samplingRate,
    bins,
    frameLength,
    frames: (samples) => (samples < frameLength ? 0 : 1 + Math.floor((samples - frameLength) / shift)),
    logMel(samples, frames) {
      const out = new Float32Array(frames * bins);
      for (let row = 0; row < frames; row++) {
        windowed(samples.subarray(row * shift, row * shift + frameLength), window, frame);
        spectrum(frame, power);
        for (let bin = 0; bin < bins; bin++) {
          const { start, weights } = filters[bin]!;
          let energy = 0;
          for (let i = 0; i < weights.length; i++) energy += power[start + i]! * weights[i]!;
          out[row * bins + bin] = Math.log(Math.max(energy, FLOOR));
        }
      }
      return out;
    },
  };
}

/** Takes the frame's mean off, emphasises high frequencies (the first sample counts as its own predecessor), windows. */
function windowed(samples: Float32Array, window: Float64Array, out: Float64Array): void {
  let sum = 0;
  for (let i = 0; i < samples.length; i++) sum += samples[i]!;
  const mean = sum / samples.length;
  let previous = samples[0]! - mean;
  for (let i = 0; i < samples.length; i++) {
    const centred = samples[i]! - mean;
    out[i] = (centred - PRE_EMPHASIS * previous) * window[i]!;
    previous = centred;
  }
}

/** The symmetric window, whose two ends are zero. */
function hann(length: number): Float64Array {
  return Float64Array.from({ length }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / (length - 1)));
}

function mel(hertz: number): number {
  return 1127 * Math.log(1 + hertz / 700);
}

/** Triangles linear in mel; the bin at half the sampling rate takes part in none, and a narrow triangle may be empty. */
function melFilters(samplingRate: number, bins: number, size: number): Filter[] {
  const lowest = mel(LOWEST_HERTZ);
  const width = (mel(samplingRate / 2) - lowest) / (bins + 1);
  const places = Float64Array.from({ length: size / 2 }, (_, i) => (mel((samplingRate / size) * i) - lowest) / width);
  return Array.from({ length: bins }, (_, bin) => {
    const all = places.map((place) => Math.max(0, Math.min(place - bin, bin + 2 - place)));
    const start = all.findIndex((weight) => weight > 0);
    if (start < 0) return { start: 0, weights: new Float64Array() };
    return { start, weights: all.slice(start, all.findLastIndex((weight) => weight > 0) + 1) };
  });
}
