// Randomness that a traced function asks for and the host fills in at each call: everything that needs a logarithm or a
// cosine, and small integer draws. The numbers are a function of (seed, step, site, index) alone.

import { PeftError } from "../errors.js";
import { boxMuller, extend, hash, hashText, integerBelow, openUnit, shuffled, unit } from "../random.js";
import { sizeOf } from "./graph.js";

/** Which call this is: the run's seed, and how many steps came before. */
export interface RandomKey {
  readonly seed: number;
  readonly step: number;
}

/**
 * What is drawn: `uniform` on [0, 1), standard `normal`, standard `gumbel`, a `key` (one random 32-bit word for
 * `randomBits`), integers below `below`, ones with a `probability` and else zeros (float32, as masks are used), or a
 * `permutation` of 0..n-1 for a shape of [n].
 */
export type Distribution =
  | "uniform"
  | "normal"
  | "gumbel"
  | "key"
  | "permutation"
  | { readonly kind: "integers"; readonly below: number }
  | { readonly kind: "bernoulli"; readonly probability: number };

export interface DrawRequest {
  readonly site: string;
  readonly shape: readonly number[];
  readonly distribution: Distribution;
}

export function drawDType(distribution: Distribution): "float32" | "int32" {
  const kind = typeof distribution === "object" ? distribution.kind : distribution;
  return kind === "key" || kind === "permutation" || kind === "integers" ? "int32" : "float32";
}

/** The numbers of a draw. */
export function fill(request: DrawRequest, key: RandomKey): Float32Array | Int32Array {
  const { site, shape, distribution } = request;
  const base = hash(key.seed, key.step, hashText(site));
  const n = sizeOf(shape);
  if (distribution === "permutation") return Int32Array.from(shuffled(n, base));
  if (distribution === "key") return Int32Array.from({ length: n }, (_, i) => extend(base, i) | 0);
  if (typeof distribution === "object" && distribution.kind === "bernoulli") {
    const { probability } = distribution;
    if (!(probability >= 0 && probability <= 1)) {
      throw new PeftError("ARGUMENT_INVALID", `${probability} is not a probability`, { place: site });
    }
    return Float32Array.from({ length: n }, (_, i) => (unit(extend(base, i)) < probability ? 1 : 0));
  }
  if (typeof distribution === "object") {
    const { below } = distribution;
    if (!(below >= 1)) throw new PeftError("ARGUMENT_INVALID", `cannot draw integers below ${below}`, { place: site });
    return Int32Array.from({ length: n }, (_, i) => integerBelow(below, extend(base, i)));
  }
  const open = (i: number) => openUnit(extend(base, i));
  if (distribution === "uniform") return Float32Array.from({ length: n }, (_, i) => unit(extend(base, i)));
  if (distribution === "gumbel") return Float32Array.from({ length: n }, (_, i) => -Math.log(-Math.log(open(i))));
  return Float32Array.from({ length: n }, (_, i) => boxMuller(open(2 * i), open(2 * i + 1)));
}
