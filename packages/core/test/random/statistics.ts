// Statistics of random numbers, and what a fair source exceeds once in 100,000 samples (two sides together). Seeds are
// fixed, so that a test gives the same answer every time; a bound is where a fair generator would be suspected.

/** Standard normal: P(|z| > 4.417) = 1e-5. */
export const Z_BOUND = 4.417;

/**
 * The bound for the largest of `count` standard normal statistics: the quantile at 1e-5 / count, from the tail's
 * expansion P(|z| > x) = 2 phi(x) / x.
 */
export function largestZBound(count: number): number {
  let x = Z_BOUND;
  for (let i = 0; i < 50; i++) x = Math.sqrt(2 * Math.log((2 * count) / (1e-5 * x * Math.sqrt(2 * Math.PI))));
  return x;
}

/**
 * Chi square of counts that should all be alike, as a standard normal number, by Wilson and Hilferty. Where the sample is
 * a `share` of a finite population, drawn without putting back, counts vary by 1 - share of what they do else.
 */
export function chiSquareZ(counts: ArrayLike<number>, share = 0): number {
  const all = Array.from(counts);
  const expected = all.reduce((sum, count) => sum + count, 0) / all.length;
  const chiSquare = all.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0) / (1 - share);
  const spread = 2 / (9 * (all.length - 1));
  return (Math.cbrt(chiSquare / (all.length - 1)) - (1 - spread)) / Math.sqrt(spread);
}

/** Successes in trials of one probability, as a standard normal number. */
export function binomialZ(successes: number, trials: number, probability: number): number {
  return (successes - trials * probability) / Math.sqrt(trials * probability * (1 - probability));
}

/** The probability of so many rare events or more, or of so many or fewer, whichever is less. */
export function poissonTail(count: number, expected: number): number {
  let [logTerm, fewer] = [-expected, 0];
  for (let k = 0; k < count; k++) {
    fewer += Math.exp(logTerm);
    logTerm += Math.log(expected / (k + 1));
  }
  return Math.min(fewer + Math.exp(logTerm), 1 - fewer);
}

/** Kolmogorov's limit: P(sqrt(n) D > 2.470) = 2 exp(-2 * 2.470^2) = 1e-5. */
export const KOLMOGOROV_BOUND = 2.47;

/** sqrt(n) times the largest distance between a sample's distribution function and the one it should have. */
export function kolmogorov(sample: ArrayLike<number>, cdf: (x: number) => number): number {
  const sorted = Float64Array.from(sample).sort();
  const n = sorted.length;
  const distance = sorted.reduce((most, x, i) => Math.max(most, cdf(x) - i / n, (i + 1) / n - cdf(x)), 0);
  return distance * Math.sqrt(n);
}

/** The normal distribution function: the series around 0, and the continued fraction in the tails, to 1e-12. */
export function normalCdf(x: number): number {
  if (x < 0) return 1 - normalCdf(-x);
  const density = Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
  if (x > 3) {
    let fraction = x;
    for (let k = 60; k > 0; k--) fraction = x + k / fraction;
    return 1 - density / fraction;
  }
  let [term, sum] = [x, x];
  for (let k = 3; k < 80; k += 2) {
    term *= (x * x) / k;
    sum += term;
  }
  return 0.5 + density * sum;
}

export function mean(sample: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < sample.length; i++) sum += sample[i]!;
  return sum / sample.length;
}

/** The mean of (x - centre)^power. */
export function moment(sample: ArrayLike<number>, power: number, centre: number): number {
  return mean(Float64Array.from(sample, (x) => (x - centre) ** power));
}
