// How errors are measured, and the bounds that they must meet (`architecture.md` §5).

/** Numbers to be compared: what `parameter.read()` and `tensor.data()` give. */
export type Numbers = ArrayLike<number>;

/**
 * The largest absolute difference over the largest absolute value of the reference. Infinite where the sizes differ or a
 * number is not finite.
 *
 * @param floor the least that the difference is divided by; for gradients a thousandth of the largest of the step
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
 * The error of what changed: of p_n - p_0 against the reference's.
 *
 * @param before p_0 here
 * @param after p_n here
 * @param reference p_n - p_0 of the original
 */
export function changeError(before: Numbers, after: Numbers, reference: Numbers): number {
  return relativeError(
    Array.from(reference, (_, i) => after[i]! - before[i]!),
    reference,
  );
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

/** One comparison, as a parity report lists it. */
export interface Row {
  readonly name: string;
  readonly error: number;
  readonly bound: number;
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
): Row[] {
  const rows = [...reference].map(([name, numbers]) => {
    const found = actual.get(name);
    return { name, bound, error: found ? relativeError(found, numbers, options.floor) : Number.POSITIVE_INFINITY };
  });
  const missed = rows.filter((row) => !(row.error <= bound));
  if (missed.length === 0) return rows;
  const lines = missed.map(({ name, error }) => `${name}: ${error.toExponential(2)}`);
  throw new Error(`${missed.length} of ${rows.length} tensors miss the bound of ${bound}:\n  ${lines.join("\n  ")}`);
}
