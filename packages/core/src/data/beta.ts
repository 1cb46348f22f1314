// Draws from Beta distributions, for the shares in which pictures are mixed.

import type { Draws } from "./random.js";

/** A number from Beta(alpha, alpha), as the share that one of two Gamma(alpha) numbers has of both. */
export function symmetricBeta(alpha: number, draws: Draws): number {
  const [x, y] = [logGamma(alpha, draws), logGamma(alpha, draws)];
  return 1 / (1 + Math.exp(y - x));
}

/**
 * The logarithm of a number from Gamma(shape, 1), by Marsaglia and Tsang's method (ACM TOMS 26, 2000); for shapes below 1
 * by way of shape + 1 and a power of a uniform number, whose logarithm does not underflow as the power itself would.
 */
function logGamma(shape: number, draws: Draws): number {
  if (shape < 1) return logGamma(shape + 1, draws) + Math.log(1 - draws.uniform()) / shape;
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const normal = draws.normal();
    const cubeRoot = 1 + c * normal;
    if (cubeRoot <= 0) continue;
    const v = cubeRoot ** 3;
    if (Math.log(1 - draws.uniform()) < 0.5 * normal ** 2 + d - d * v + d * Math.log(v)) return Math.log(d * v);
  }
}
