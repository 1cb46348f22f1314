// The error that parity tests count: the largest absolute difference over the largest absolute value of the reference.

/** @param floor what the reference counts as at least: for gradients a thousandth of the largest one of the step */
export function relativeError(actual: ArrayLike<number>, reference: ArrayLike<number>, floor = 0): number {
  if (actual.length !== reference.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < reference.length; i++) {
    const gap = Math.abs(actual[i]! - reference[i]!);
    difference = Math.max(difference, Number.isNaN(gap) ? Number.POSITIVE_INFINITY : gap);
    largest = Math.max(largest, Math.abs(reference[i]!));
  }
  return difference === 0 ? 0 : difference / Math.max(largest, floor);
}

export function largestOf(tensors: readonly ArrayLike<number>[]): number {
  let largest = 0;
  for (const tensor of tensors)
    for (let i = 0; i < tensor.length; i++) largest = Math.max(largest, Math.abs(tensor[i]!));
  return largest;
}
