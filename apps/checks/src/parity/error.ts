// The errors that parity rows report, as architecture.md §5 defines them: per tensor, the largest absolute difference
// over the largest absolute value of the reference.

export type Numbers = ArrayLike<number>;

/**
 * max|actual − expected| / max|expected|. Where the reference is all zero the error is the largest absolute value of
 * `actual` itself, so that 0 means equal there too. Anything not finite in `actual` gives Infinity.
 * @throws RangeError if the lengths differ
 */
export function relativeError(actual: Numbers, expected: Numbers): number {
  return largestDifference(actual, expected) / (largest(expected) || 1);
}

/**
 * The error of p_n − p_0, the way that a parameter went in n optimizer steps, against the reference's way from its own
 * p_0: comparing p_n itself would hide a wrong step behind a large parameter.
 */
export function stepError(
  actual: { start: Numbers; end: Numbers },
  expected: { start: Numbers; end: Numbers },
): number {
  return relativeError(difference(actual.end, actual.start), difference(expected.end, expected.start));
}

/**
 * Errors of all gradients of one step, by name. A tensor's error is taken against its own largest gradient, but at
 * least against a thousandth of the largest gradient of the step: what is smaller than that is rounding noise of the rest.
 * @throws RangeError if a gradient is missing on either side or a length differs
 */
export function gradientErrors(
  actual: ReadonlyMap<string, Numbers>,
  expected: ReadonlyMap<string, Numbers>,
): Map<string, number> {
  const missing = [...expected.keys()].filter((name) => !actual.has(name));
  const unexpected = [...actual.keys()].filter((name) => !expected.has(name));
  if (missing.length + unexpected.length > 0) {
    throw new RangeError(`gradients missing: [${missing.join(", ")}], unexpected: [${unexpected.join(", ")}]`);
  }
  let floor = 0;
  for (const values of expected.values()) floor = Math.max(floor, largest(values) / 1000);
  const errors = new Map<string, number>();
  for (const [name, values] of expected) {
    errors.set(name, largestDifference(actual.get(name)!, values) / (Math.max(largest(values), floor) || 1));
  }
  return errors;
}

/** 0 if the two are the same whole numbers, otherwise how many differ: for rows that must be exact. */
export function countDifferences(actual: Numbers, expected: Numbers): number {
  assertSameLength(actual, expected);
  let count = 0;
  for (let i = 0; i < expected.length; i++) if (actual[i] !== expected[i]) count++;
  return count;
}

function largest(values: Numbers): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i]!));
  return most;
}

function largestDifference(actual: Numbers, expected: Numbers): number {
  assertSameLength(actual, expected);
  let most = 0;
  for (let i = 0; i < expected.length; i++) {
    const miss = Math.abs(actual[i]! - expected[i]!);
    // Math.max would let a NaN through as NaN, which compares as no error at all.
    if (!Number.isFinite(miss)) return Number.POSITIVE_INFINITY;
    if (miss > most) most = miss;
  }
  return most;
}

function difference(end: Numbers, start: Numbers): Float64Array {
  assertSameLength(end, start);
  return Float64Array.from(end, (value, i) => value - start[i]!);
}

function assertSameLength(actual: Numbers, expected: Numbers): void {
  if (actual.length !== expected.length) {
    throw new RangeError(`${actual.length} numbers against ${expected.length} of the reference`);
  }
}
