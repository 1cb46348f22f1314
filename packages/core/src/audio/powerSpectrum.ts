// The power spectrum of real frames: a Fourier transform of half the length on pairs of samples, taken apart at the end.

import { PeftError } from "../errors.js";

/** Writes |X_k|^2, k = 0 ... size / 2, of a frame of `size` numbers. Changes nothing but `power`. */
export type PowerSpectrum = (frame: Float64Array, power: Float64Array) => void;

/**
 * The power spectrum of frames of one length, without a factor; tables and work space are made once.
 *
 * @param size a power of two, from 4 on
 * @throws PeftError ARGUMENT_INVALID for another size
 */
export function powerSpectrum(size: number): PowerSpectrum {
  if (!(Number.isInteger(Math.log2(size)) && size >= 4)) {
    throw new PeftError("ARGUMENT_INVALID", `a spectrum of ${size} samples: the number is a power of two, from 4 on`);
  }
  const half = size / 2;
  const cosines = Float64Array.from({ length: half }, (_, k) => Math.cos((2 * Math.PI * k) / size));
  const sines = Float64Array.from({ length: half }, (_, k) => -Math.sin((2 * Math.PI * k) / size));
  const order = bitReversed(half);
  const real = new Float64Array(half);
  const imaginary = new Float64Array(half);
  return (frame, power) => {
    for (let i = 0; i < half; i++) {
      const from = 2 * order[i]!;
      real[i] = frame[from]!;
      imaginary[i] = frame[from + 1]!;
    }
    butterflies(real, imaginary, cosines, sines);
    // Z holds the even samples' spectrum E in its part that is even under conjugation, the odd ones' O in the other.
    power[0] = (real[0]! + imaginary[0]!) ** 2;
    power[half] = (real[0]! - imaginary[0]!) ** 2;
    for (let k = 1; k < half; k++) {
      const mirror = half - k;
      const evenReal = (real[k]! + real[mirror]!) / 2;
      const evenImaginary = (imaginary[k]! - imaginary[mirror]!) / 2;
      const oddReal = (imaginary[k]! + imaginary[mirror]!) / 2;
      const oddImaginary = (real[mirror]! - real[k]!) / 2;
      const a = evenReal + cosines[k]! * oddReal - sines[k]! * oddImaginary;
      const b = evenImaginary + cosines[k]! * oddImaginary + sines[k]! * oddReal;
      power[k] = a * a + b * b;
    }
  };
}

/** The complex transform in place, of numbers in bit-reversed order; the tables are those of twice its length. */
function butterflies(real: Float64Array, imaginary: Float64Array, cosines: Float64Array, sines: Float64Array): void {
  const length = real.length;
  for (let width = 1; width < length; width *= 2) {
    const step = length / width;
    for (let start = 0; start < length; start += 2 * width) {
      for (let j = 0; j < width; j++) {
        const i = start + j;
        const k = i + width;
        const c = cosines[j * step]!;
        const s = sines[j * step]!;
        const a = real[k]! * c - imaginary[k]! * s;
        const b = real[k]! * s + imaginary[k]! * c;
        real[k] = real[i]! - a;
        imaginary[k] = imaginary[i]! - b;
        real[i]! += a;
        imaginary[i]! += b;
      }
    }
  }
}

function bitReversed(length: number): Uint32Array {
  const order = new Uint32Array(length);
  for (let i = 1, bits = 31 - Math.clz32(length); i < length; i++) {
    order[i] = (order[i >> 1]! >> 1) | ((i & 1) << (bits - 1));
  }
  return order;
}
