// Casts between float32 and the 16-bit formats (IEEE 754 binary16; bfloat16, the upper half of a float32) on bit
// patterns: up exactly, down to nearest even, NaN stays NaN and quiet.

import type { DType, HostTensor } from "./hostTensor.js";

/**
 * The tensor's numbers as float32. Exact for float16, bfloat16 and the small integers; int32 and int64 are rounded to
 * nearest even. A float32 tensor's own array is returned, not a copy.
 */
export function toFloat32(tensor: HostTensor): Float32Array {
  switch (tensor.dtype) {
    case "float32":
      return tensor.data;
    case "float16":
    case "bfloat16": {
      const values = new Float32Array(tensor.data.length);
      widen(tensor.dtype, tensor.data, values);
      return values;
    }
    case "int64":
      return Float32Array.from(tensor.data, Number);
    default:
      return Float32Array.from(tensor.data);
  }
}

export type HalfType = "float16" | "bfloat16";
/** What a file may keep the numbers of a model in. */
export type FloatType = "float32" | HalfType;

/** A float32 tensor as another type of float; any other tensor as it is. */
export function castFloat32(tensor: HostTensor, dtype: FloatType): HostTensor {
  if (tensor.dtype !== "float32" || dtype === "float32") return tensor;
  return { dtype, shape: tensor.shape, data: dtype === "float16" ? toFloat16(tensor.data) : toBFloat16(tensor.data) };
}

export function isHalf(dtype: DType): dtype is HalfType {
  return dtype === "float16" || dtype === "bfloat16";
}

/** Writes the values of 16-bit patterns into the beginning of `values`. */
export function widen(dtype: HalfType, halves: Uint16Array, values: Float32Array): void {
  if (dtype === "float16") expandFloat16(halves, bitsOf(values));
  else expandBFloat16(halves, bitsOf(values));
}

/** float32 to float16 bit patterns, to nearest even; beyond 65,504 (from 65,520 on) the result is infinite. */
export function toFloat16(values: Float32Array): Uint16Array {
  const bits = bitsOf(values);
  const halves = new Uint16Array(bits.length);
  for (let i = 0; i < bits.length; i++) halves[i] = float16Bits(bits[i]!);
  return halves;
}

/** float32 to bfloat16 bit patterns, to nearest even. */
export function toBFloat16(values: Float32Array): Uint16Array {
  const bits = bitsOf(values);
  const halves = new Uint16Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i]!;
    const nan = (word & 0x7fffffff) > 0x7f800000;
    halves[i] = nan ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return halves;
}

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

function expandBFloat16(halves: Uint16Array, bits: Uint32Array): void {
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16;
}

function expandFloat16(halves: Uint16Array, bits: Uint32Array): void {
  const table = float16Table();
  for (let i = 0; i < halves.length; i++) bits[i] = table[halves[i]!]!;
}

let cachedFloat16Table: Uint32Array | undefined;

/** float32 bit patterns of all 65,536 float16 values: one look-up an element is several times faster than arithmetic. */
function float16Table(): Uint32Array {
  if (cachedFloat16Table) return cachedFloat16Table;
  const table = new Uint32Array(65_536);
  const scratch = new Float32Array(1);
  const scratchBits = bitsOf(scratch);
  for (let half = 0; half < 65_536; half++) {
    const sign = (half & 0x8000) << 16;
    const exponent = (half >>> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0) {
      scratch[0] = fraction * 2 ** -24; // zero or subnormal: an exact, normal float32
      table[half] = sign | scratchBits[0]!;
    } else if (exponent === 0x1f) {
      table[half] = sign | 0x7f800000 | (fraction << 13);
    } else {
      table[half] = sign | ((exponent + 112) << 23) | (fraction << 13);
    }
  }
  cachedFloat16Table = table;
  return table;
}

function float16Bits(word: number): number {
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x1ff); // NaN
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // 65,520 and more round to infinity
  if (magnitude >= 0x38800000) {
    // Normal: shift the exponent's bias from 127 to 15; a carry out of the fraction correctly raises the exponent.
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  }
  if (magnitude < 0x33000000) return sign; // below half of the smallest subnormal
  const fraction = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - (magnitude >>> 23); // 14 .. 24: how far the fraction is from units of 2^-24
  const kept = fraction >>> shift;
  const rest = fraction & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0));
}
