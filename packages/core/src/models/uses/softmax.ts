// Probabilities from logits that are on the host.

/** exp(x) over their sum. */
export function softmax(numbers: Float32Array): number[] {
  const largest = numbers.reduce((most, x) => Math.max(most, x), Number.NEGATIVE_INFINITY);
  const weights = Array.from(numbers, (x) => Math.exp(x - largest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}
