// The statistics of samples that other work on the machine can only make slower.

/**
 * The lower quartile, linear between samples: it drops the samples that something else disturbed, and does not hang on
 * one lucky sample as the minimum does.
 * @throws RangeError on no samples
 */
export function lowerQuartile(samples: readonly number[]): number {
  return quantile(samples, 0.25);
}

/** The median, linear between samples. @throws RangeError on no samples */
export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}

function quantile(samples: readonly number[], fraction: number): number {
  if (samples.length === 0) throw new RangeError("no samples");
  const sorted = [...samples].sort((a, b) => a - b);
  const position = (sorted.length - 1) * fraction;
  const below = Math.floor(position);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (position - below);
}
