// Correlations of two rows of numbers, as SciPy computes them.

import { checkPairs } from "./classification.js";

/**
 * Pearson's r (`scipy.stats.pearsonr`); NaN where either row is constant.
 *
 * @throws PeftError ARGUMENT_INVALID for fewer than two, or unequally many
 */
export function pearsonCorrelation(x: ArrayLike<number>, y: ArrayLike<number>): number {
  checkPairs(x.length, y.length, 2);
  const [a, b] = [centred(x), centred(y)];
  const r = dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  return Math.max(-1, Math.min(1, r));
}

/**
 * Spearman's rho (`scipy.stats.spearmanr`): Pearson's r of the ranks, where equal numbers share the mean of theirs; NaN
 * where either row is constant.
 *
 * @throws PeftError ARGUMENT_INVALID for fewer than two, or unequally many
 */
export function spearmanCorrelation(x: ArrayLike<number>, y: ArrayLike<number>): number {
  checkPairs(x.length, y.length, 2);
  return pearsonCorrelation(ranks(x), ranks(y));
}

function ranks(values: ArrayLike<number>): Float64Array {
  const order = Array.from({ length: values.length }, (_, i) => i).sort((i, j) => values[i]! - values[j]!);
  const out = new Float64Array(values.length);
  for (let first = 0, next = 0; first < order.length; first = next) {
    while (next < order.length && values[order[next]!] === values[order[first]!]) next++;
    for (let i = first; i < next; i++) out[order[i]!] = (first + next + 1) / 2;
    // NaN equals nothing, itself included, and has no rank.
    if (next === first) out[order[next++]!] = Number.NaN;
  }
  return out;
}

function centred(values: ArrayLike<number>): Float64Array {
  const all = Float64Array.from(values);
  const middle = all.reduce((sum, value) => sum + value, 0) / all.length;
  return all.map((value) => value - middle);
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}
