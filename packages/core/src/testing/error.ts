// How errors are measured, and the bounds that they must meet (`architecture.md` §5).

/** Numbers to be compared: what `parameter.read()` and `tensor.data()` give. */
export type Numbers = ArrayLike<number>;

/**
 * The largest absolute difference over the largest absolute value of the reference. Infinite where the sizes differ, a
 * number is not finite, or anything differs from a reference of zeros without a floor.
 *
 * @param floor the least that the difference is divided by; for gradients `gradientFloor`
 */
export function relativeError(actual: Numbers, reference: Numbers, floor = 0): number {
  if (actual.length !== reference.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  for (let i = 0; i < reference.length; i++) {
    const here = Math.abs(actual[i]! - reference[i]!);
    if (!Number.isFinite(here)) return Number.POSITIVE_INFINITY;
    difference = Math.max(difference, here);
  }
  const scale = Math.max(largest(reference), floor);
  return difference === 0 ? 0 : difference / scale;
}

/** The largest absolute value. */
export function largest(numbers: Numbers): number {
  let found = 0;
  for (let i = 0; i < numbers.length; i++) found = Math.max(found, Math.abs(numbers[i]!));
  return found;
}

/**
 * The least that errors of a step's gradients are divided by: a thousandth of the largest gradient of the step. What is
 * smaller than that is rounding noise of the rest.
 */
export function gradientFloor(gradients: Iterable<Numbers>): number {
  let floor = 0;
  for (const gradient of gradients) floor = Math.max(floor, largest(gradient) / 1000);
  return floor;
}

/**
 * The error of what changed: of p_n - p_0 against the reference's. Comparing p_n would hide a wrong step behind a large
 * parameter.
 *
 * @param before p_0 here
 * @param after p_n here
 * @param reference p_n - p_0 of the original
 */
export function changeError(before: Numbers, after: Numbers, reference: Numbers): number {
  if (before.length !== after.length) return Number.POSITIVE_INFINITY;
  return relativeError(
    Array.from(after, (x, i) => x - before[i]!),
    reference,
  );
}

/** How many numbers are not the same, for what must be exact; a number that only one side has is one of them. */
export function countDifferences(actual: Numbers, reference: Numbers): number {
  const shared = Math.min(actual.length, reference.length);
  let count = Math.max(actual.length, reference.length) - shared;
  for (let i = 0; i < shared; i++) if (actual[i] !== reference[i]) count++;
  return count;
}

/** Bounds in fp32. */
export const BOUNDS: Readonly<
  Record<"outputs" | "outputsFullDepth" | "gradients" | "gradientsFullDepth" | "steps" | "engines", number>
> = {
  outputs: 1e-5,
  outputsFullDepth: 1e-4,
  gradients: 1e-4,
  gradientsFullDepth: 1e-3,
  /** p_n - p_0 after at most ten steps. */
  steps: 1e-3,
  /** Compiled against eager. */
  engines: 1e-5,
};

/** How far a tensor is from its reference. */
export interface TensorError {
  readonly name: string;
  readonly error: number;
}

/**
 * The errors of tensors by name; infinite for one of the reference that is not there.
 *
 * @param options.floor as in `relativeError`
 */
export function tensorErrors(
  actual: ReadonlyMap<string, Numbers>,
  reference: ReadonlyMap<string, Numbers>,
  options: { floor?: number } = {},
): TensorError[] {
  return [...reference].map(([name, numbers]) => {
    const found = actual.get(name);
    return { name, error: found ? relativeError(found, numbers, options.floor) : Number.POSITIVE_INFINITY };
  });
}

/**
 * Compares tensors by name.
 *
 * @param options.floor as in `relativeError`
 * @throws an error that names each tensor that misses the bound, and by how much
 */
export function expectClose(
  actual: ReadonlyMap<string, Numbers>,
  reference: ReadonlyMap<string, Numbers>,
  bound: number,
  options: { floor?: number } = {},
): TensorError[] {
  const errors = tensorErrors(actual, reference, options);
  const missed = errors.filter(({ error }) => !(error <= bound));
  if (missed.length === 0) return errors;
  const lines = missed.map(({ name, error }) => `${name}: ${error.toExponential(2)}`);
  throw new Error(`${missed.length} of ${errors.length} tensors miss the bound of ${bound}:\n  ${lines.join("\n  ")}`);
}
