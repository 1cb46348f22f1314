// LoRA's "orthogonal" start: A and B are random and not zero, and their product is zero all the same, because A is made of
// the even rows of an orthogonal matrix and B of the odd ones.

import { type Initializer, normal } from "../../nn/index.js";

/** PEFT's size of the random numbers that mix the rows. */
const STD = 0.1;

/** @param r even */
export function orthogonalPair(r: number, seed: number): [a: Initializer, b: Initializer] {
  const half = r / 2;
  // A and B of one layer must get the same matrix, so it is named for what their names share.
  const matrix = (name: string) =>
    orthogonal(r, normal(1, seed)([r, r], `${name.replace(/lora_[AB]\..*$/, "")}orthogonal`));
  return [
    ([, width], name) => {
      const q = matrix(name);
      const mix = normal(STD, seed)([width!, half], name);
      return fill(r, width!, (k, i) => sum(half, (h) => mix[i * half + h]! * q[2 * h * r + k]!));
    },
    ([out], name) => {
      const q = matrix(name);
      const mix = normal(STD, seed)([out!, half], name);
      return fill(out!, r, (i, k) => sum(half, (h) => mix[i * half + h]! * q[(2 * h + 1) * r + k]!));
    },
  ];
}

/** The rows of a square matrix made orthonormal, one after the other, twice over for the sake of rounding. */
function orthogonal(r: number, numbers: ArrayLike<number>): Float64Array {
  const rows = Float64Array.from(numbers);
  for (let i = 0; i < r; i++) {
    const row = rows.subarray(i * r, (i + 1) * r);
    for (let j = 0; j < 2 * i; j++) {
      const other = rows.subarray((j % i) * r, ((j % i) + 1) * r);
      const shared = sum(r, (k) => row[k]! * other[k]!);
      for (let k = 0; k < r; k++) row[k]! -= shared * other[k]!;
    }
    const length = Math.sqrt(sum(r, (k) => row[k]! * row[k]!));
    for (let k = 0; k < r; k++) row[k]! /= length;
  }
  return rows;
}

function fill(rows: number, columns: number, at: (i: number, j: number) => number): Float32Array {
  return Float32Array.from({ length: rows * columns }, (_, n) => at(Math.floor(n / columns), n % columns));
}

function sum(count: number, term: (i: number) => number): number {
  let total = 0;
  for (let i = 0; i < count; i++) total += term(i);
  return total;
}
