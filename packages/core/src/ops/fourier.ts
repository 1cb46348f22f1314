// The two-dimensional discrete Fourier transform over the last two axes, as torch.fft has it: products with matrices of
// cosines and sines, of any size, whose gradients are such products again. A complex tensor is a pair of real ones.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";
import { type AxisMatrix, axisMatrix, axisProduct } from "./axisProduct.js";

export interface ComplexTensor {
  readonly re: tf.Tensor;
  readonly im: tf.Tensor;
}

interface Waves {
  readonly cos: AxisMatrix;
  readonly sin: AxisMatrix;
}

/** cos and sin of 2 pi j k / length, for the outputs j below `rows` and the inputs k, times a factor for each input. */
function waves(rows: number, columns: number, length: number, factor: (column: number) => number): Waves {
  // The angle of j k modulo the length keeps the digits that a large product would lose.
  const angle = (j: number, k: number): number => (2 * Math.PI * ((j * k) % length)) / length;
  return {
    cos: axisMatrix(rows, columns, (j, k) => Math.cos(angle(j, k)) * factor(k)),
    sin: axisMatrix(rows, columns, (j, k) => Math.sin(angle(j, k)) * factor(k)),
  };
}

/** The transform of complex numbers along one axis; backwards, it is divided by the length. */
function along({ re, im }: ComplexTensor, axis: number, backwards: boolean): ComplexTensor {
  const length = re.shape.at(axis)!;
  const { cos, sin } = waves(length, length, length, () => (backwards ? 1 / length : 1));
  const [onRe, onIm] = [axisProduct(im, sin, axis), axisProduct(re, sin, axis)];
  const [cosRe, cosIm] = [axisProduct(re, cos, axis), axisProduct(im, cos, axis)];
  // (re + i im)(cos - i sin); backwards the sine's sign turns.
  if (backwards) return { re: tf.sub(cosRe, onRe), im: tf.add(cosIm, onIm) };
  return { re: tf.add(cosRe, onRe), im: tf.sub(cosIm, onIm) };
}

function check(op: string, re: tf.Tensor, im: tf.Tensor = re): void {
  if (re.rank >= 2 && im.rank === re.rank && im.shape.every((d, i) => d === re.shape[i])) return;
  throw new PeftError("SHAPE_MISMATCH", `${op} wants [..., height, width], got [${re.shape}] and [${im.shape}]`);
}

/**
 * The transform of complex numbers, sum over m and n of x[m, n] exp(-2 pi i (j m / height + k n / width)).
 *
 * @param x [..., height, width] each
 * @returns [..., height, width] each
 * @throws PeftError SHAPE_MISMATCH
 */
export function fft2(x: ComplexTensor): ComplexTensor {
  check("fft2", x.re, x.im);
  return along(along(x, -1, false), -2, false);
}

/** The inverse of `fft2`: the same with the other sign, divided by height * width. @throws PeftError SHAPE_MISMATCH */
export function ifft2(x: ComplexTensor): ComplexTensor {
  check("ifft2", x.re, x.im);
  return along(along(x, -2, true), -1, true);
}

/**
 * The transform of real numbers; the columns that would only mirror the others are left out.
 *
 * @param x [..., height, width]
 * @returns [..., height, floor(width / 2) + 1] each
 * @throws PeftError SHAPE_MISMATCH
 */
export function rfft2(x: tf.Tensor): ComplexTensor {
  check("rfft2", x);
  const width = x.shape.at(-1)!;
  const { cos, sin } = waves(Math.floor(width / 2) + 1, width, width, () => 1);
  return along({ re: axisProduct(x, cos, -1), im: tf.neg(axisProduct(x, sin, -1)) }, -2, false);
}

/**
 * The inverse of `rfft2`. What makes the result real is taken for granted, as in torch.fft.irfft2.
 *
 * @param x [..., height, floor(width / 2) + 1] each
 * @param width of the result
 * @returns [..., height, width]
 * @throws PeftError SHAPE_MISMATCH
 */
export function irfft2(x: ComplexTensor, width: number): tf.Tensor {
  check("irfft2", x.re, x.im);
  const columns = x.re.shape.at(-1)!;
  if (columns !== Math.floor(width / 2) + 1) {
    throw new PeftError("SHAPE_MISMATCH", `irfft2: ${columns} columns are not those of a width of ${width}`);
  }
  const { re, im } = along(x, -2, true);
  // Every column but the first, and the last of an even width, stands for its mirror image as well.
  const single = (column: number): boolean => column === 0 || 2 * column === width;
  const { cos, sin } = waves(width, columns, width, (column) => (single(column) ? 1 : 2) / width);
  return tf.sub(axisProduct(re, cos, -1), axisProduct(im, sin, -1));
}
