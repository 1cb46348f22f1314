// Drawing the next token by its probability, from all tokens or from the likeliest (Fan et al. 2018: top-k; Holtzman et al.
// 2020: top-p).

import type { Settings } from "./options.js";

/**
 * @param scores of one row, processed
 * @param uniform a number in [0, 1)
 */
export function sample(scores: Float32Array, uniform: number, { temperature, topK, topP }: Settings): number {
  const order = Array.from(scores.keys()).filter((id) => scores[id]! > Number.NEGATIVE_INFINITY);
  order.sort((a, b) => scores[b]! - scores[a]! || a - b);
  const least = topK > 0 && topK < order.length ? scores[order[topK - 1]!]! : Number.NEGATIVE_INFINITY;
  // Tokens as likely as the last of the k stay, as in transformers.
  const kept = order.filter((id) => scores[id]! >= least);
  const weights = kept.map((id) => Math.exp((scores[id]! - scores[kept[0]!]!) / temperature));
  const nucleus = nucleusOf(weights, topP);
  const total = weights.slice(0, nucleus).reduce((sum, weight) => sum + weight, 0);
  let rest = uniform * total;
  for (let i = 0; i < nucleus; i++) {
    rest -= weights[i]!;
    if (rest < 0) return kept[i]!;
  }
  return kept[nucleus - 1]!;
}

/** How many of the likeliest are kept: those whose likelier ones do not reach `topP` by themselves. */
function nucleusOf(weights: readonly number[], topP: number): number {
  if (topP >= 1) return weights.length;
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let before = 0;
  const end = weights.findIndex((weight) => {
    const isEnough = before >= topP * total;
    before += weight;
    return isEnough;
  });
  return end === -1 ? weights.length : Math.max(1, end);
}
