// Examples of named arrays as a batch: sequences are padded to one of a few lengths, so that a compiled step meets only as
// many shapes, and masks say what is real.

import { PeftError } from "../errors.js";
import type { HostArray } from "../hostArray.js";

/** Inputs and targets of one example, by the names that the model knows, without a batch axis. */
export type ArrayExample = Readonly<Record<string, HostArray>>;

/** How the first axis of an array is padded, at its end. */
export interface Padding {
  /** What fills it up: the tokenizer's padding id, or what a loss passes over. */
  readonly value: number;
  /** The lengths that a batch may have, ascending; each batch takes the least that holds its longest example. */
  readonly lengths: readonly number[];
  /** Name for an int32 array [size, length] of ones where there is an example and zeros after it. @defaultValue none */
  readonly mask?: string;
}

/** @throws PeftError ARGUMENT_INVALID for lengths that are none, not whole and positive, or not ascending. */
export function checkPadding(padding: Readonly<Record<string, Padding>>): void {
  for (const [name, { lengths }] of Object.entries(padding)) {
    const ascends = lengths.every((length, i) => Number.isInteger(length) && length > (lengths[i - 1] ?? 0));
    if (lengths.length > 0 && ascends) continue;
    throw new PeftError("ARGUMENT_INVALID", `the lengths [${lengths}] are not whole, positive and ascending`, {
      place: name,
    });
  }
}

/**
 * Stacks examples: an array of shape [...] becomes [examples, ...], where the first axis of those that `padding` names
 * may differ between examples.
 *
 * @param padding by the arrays' names
 * @param nameOf what an example is called in an error, by its place in the list
 * @throws PeftError SHAPE_MISMATCH for arrays that are missing, or of other types or shapes than the first example's;
 *   DATA_INVALID for one longer than the largest length; ARGUMENT_INVALID for padding of an array that is not there, or
 *   a mask with the name of an array
 */
export function collateArrays(
  examples: readonly ArrayExample[],
  padding: Readonly<Record<string, Padding>> = {},
  nameOf: (i: number) => string = (i) => `example ${i}`,
): Record<string, HostArray> {
  const names = Object.keys(examples[0]!);
  for (const [i, example] of examples.entries()) {
    const others = Object.keys(example);
    if (others.length === names.length && names.every((name) => name in example)) continue;
    throw new PeftError("SHAPE_MISMATCH", `arrays [${others}], where others have [${names}]`, { place: nameOf(i) });
  }
  const batch: Record<string, HostArray> = {};
  for (const name of names) {
    const arrays = examples.map((example) => example[name]!);
    batch[name] = stack(name, arrays, padding[name], nameOf);
  }
  for (const [name, { mask }] of Object.entries(padding)) {
    if (!batch[name]) throw new PeftError("ARGUMENT_INVALID", `there is no array "${name}" to be padded`);
    if (mask === undefined) continue;
    if (batch[mask]) throw new PeftError("ARGUMENT_INVALID", `the mask "${mask}" has the name of an array`);
    batch[mask] = maskOf(
      examples.map((example) => example[name]!.shape[0]!),
      batch[name].shape[1]!,
    );
  }
  return batch;
}

function stack(
  name: string,
  arrays: readonly HostArray[],
  padding: Padding | undefined,
  nameOf: (i: number) => string,
): HostArray {
  const { shape, dtype, data } = arrays[0]!;
  const fixed = padding ? shape.slice(1) : shape;
  for (const [i, other] of arrays.entries()) {
    const otherFixed = padding ? other.shape.slice(1) : other.shape;
    if (other.dtype === dtype && other.shape.length === shape.length && otherFixed.join() === fixed.join()) continue;
    throw new PeftError(
      "SHAPE_MISMATCH",
      `"${name}" is ${other.dtype} [${other.shape}], where others have ${dtype} [${shape}]`,
      { place: nameOf(i), hint: padding ? undefined : `name "${name}" in padding if its length may differ` },
    );
  }
  const length = padding ? [paddedLength(name, arrays, padding, nameOf)] : [];
  const width = [...length, ...fixed].reduce((product, size) => product * size, 1);
  const stacked = new (data.constructor as new (length: number) => typeof data)(arrays.length * width);
  if (padding) stacked.fill(padding.value);
  for (const [i, array] of arrays.entries()) stacked.set(array.data, i * width);
  return { data: stacked, shape: [arrays.length, ...length, ...fixed], dtype };
}

function paddedLength(
  name: string,
  arrays: readonly HostArray[],
  { lengths }: Padding,
  nameOf: (i: number) => string,
): number {
  const longest = arrays.reduce((most, { shape }, i) => (shape[0]! > arrays[most]!.shape[0]! ? i : most), 0);
  const needed = arrays[longest]!.shape[0];
  if (needed === undefined) {
    throw new PeftError("SHAPE_MISMATCH", `"${name}" is one number and cannot be padded`, { place: nameOf(0) });
  }
  const length = lengths.find((one) => one >= needed);
  if (length !== undefined) return length;
  throw new PeftError("DATA_INVALID", `"${name}" is ${needed} long, more than ${lengths.at(-1)}`, {
    place: nameOf(longest),
    hint: "cut the example, or add a larger length",
  });
}

function maskOf(lengths: readonly number[], padded: number): HostArray {
  const data = new Int32Array(lengths.length * padded);
  for (const [i, length] of lengths.entries()) data.fill(1, i * padded, i * padded + length);
  return { data, shape: [lengths.length, padded], dtype: "int32" };
}
