// Changing the sampling rate with a windowed sinc: resampy's filter `kaiser_best`, with which the AST adapters' recipes were
// run (ast-adapter.md §2.2), evaluated where it is needed instead of looked up in a table.

import { PeftError } from "../errors.js";

/** Samples of the slower rate that the filter reaches to each side. */
const HALF_WIDTH = 50;
/** Where it falls off, as a share of half the slower rate. */
const ROLL_OFF = 0.9173473712608761;
/** Of its Kaiser window. */
const BETA = 12.984585247040012;
const WINDOW_PEAK = besselI0(BETA);

/**
 * A sound at another rate, of ceil(n * to / from) samples; beyond its ends a sound is silent.
 *
 * @param samples of one channel
 * @param from samples a second, whole
 * @param to samples a second, whole
 * @throws PeftError ARGUMENT_INVALID for a rate that is not whole and positive
 */
export function resample(samples: Float32Array, from: number, to: number): Float32Array {
  for (const rate of [from, to]) {
    if (!(Number.isSafeInteger(rate) && rate > 0)) {
      throw new PeftError("ARGUMENT_INVALID", `${rate} samples a second: rates are whole and positive`);
    }
  }
  if (from === to) return samples.slice();
  const divisor = greatestCommonDivisor(from, to);
  const [step, phases] = [from / divisor, to / divisor];
  const out = new Float32Array(Math.ceil((samples.length * phases) / step));
  const scale = Math.min(1, phases / step);
  const reach = HALF_WIDTH / scale;
  const weights = new Float64Array(2 * Math.floor(reach) + 2);
  // Outputs that are `phases` apart lie alike between the inputs: they have the same weights.
  for (let phase = 0; phase < Math.min(phases, out.length); phase++) {
    const centre = (phase * step) / phases;
    const first = Math.ceil(centre - reach);
    const count = Math.floor(centre + reach) - first + 1;
    for (let i = 0; i < count; i++) weights[i] = scale * filterAt(scale * (centre - first - i));
    for (let i = phase, start = first; i < out.length; i += phases, start += step) {
      const end = Math.min(count, samples.length - start);
      let sum = 0;
      for (let k = Math.max(0, -start); k < end; k++) sum += samples[start + k]! * weights[k]!;
      out[i] = sum;
    }
  }
  return out;
}

/** The low-pass filter at a distance in samples of the slower rate. */
function filterAt(distance: number): number {
  const share = distance / HALF_WIDTH;
  const window = besselI0(BETA * Math.sqrt(Math.max(0, 1 - share * share))) / WINDOW_PEAK;
  const x = Math.PI * ROLL_OFF * distance;
  return x === 0 ? ROLL_OFF : (ROLL_OFF * window * Math.sin(x)) / x;
}

/** The modified Bessel function of the first kind and order 0, by its power series. */
function besselI0(x: number): number {
  const quarter = (x * x) / 4;
  let [sum, term] = [1, 1];
  for (let k = 1; term > sum * 1e-17; k++) {
    term *= quarter / (k * k);
    sum += term;
  }
  return sum;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
