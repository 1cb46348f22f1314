// The one matrix of token vectors that encoder, decoder and head share, under the several names that files give it.

import type { TensorSource } from "../../files/index.js";

type Tensors = Pick<TensorSource, "tensors" | "lazily">;

/**
 * What becomes of a file's tensor that may be the shared matrix: the first of its names that the file has is read, the
 * others are left out as copies.
 *
 * @param names the matrix's names, the usual one first
 * @param host the model's name of it
 * @returns the model's names for a name of the file, or undefined for another tensor
 */
export function sharedMatrix(
  { tensors }: Pick<Tensors, "tensors">,
  names: readonly string[],
  host: string,
): (fileName: string) => readonly string[] | undefined {
  const read = names.find((name) => tensors.has(name));
  return (fileName) => (names.includes(fileName) ? (fileName === read ? [host] : []) : undefined);
}

/** Whether two tensors of a file hold the same numbers. Both are read. */
export function areEqual(weights: Tensors, first: string, second: string): boolean {
  if (weights.tensors.get(first)?.shape.join() !== weights.tensors.get(second)?.shape.join()) return false;
  const [a, b] = [first, second].map((name) => weights.lazily(name)());
  return a!.every((x, i) => x === b![i]);
}
