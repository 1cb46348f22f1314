// Several tensors made one, entry by entry, as PEFT's `merge_utils.py` has it: task arithmetic (Ilharco et al. 2023), TIES
// (Yadav et al. 2023), DARE (Yu et al. 2024) and pruning by magnitude. Sums are in double precision.

import { extend, hash, hashText, unit } from "../random.js";

export type Entries = ArrayLike<number>;

/** What decides the sign of an entry in TIES: the sum of the tensors, or how many are positive and negative. */
export type MajoritySign = "total" | "frequency";

/** One way of making several tensors of equal size one. */
export type Combine = (tensors: readonly Entries[], weights: readonly number[]) => Float64Array;

/** The weighted sum. */
export const taskArithmetic: Combine = (tensors, weights) =>
  entries(tensors[0]!.length, (i) => tensors.reduce((sum, tensor, t) => sum + tensor[i]! * weights[t]!, 0));

/**
 * The weighted sum, over those that have the majority's sign, over their number.
 *
 * @param tensors pruned already
 */
export function electSigns(majority: MajoritySign): Combine {
  return (tensors, weights) =>
    entries(tensors[0]!.length, (i) => {
      const votes = tensors.reduce(
        (sum, tensor) => sum + (majority === "total" ? tensor[i]! : Math.sign(tensor[i]!)),
        0,
      );
      const sign = votes >= 0 ? 1 : -1;
      let [sum, count] = [0, 0];
      for (const [t, tensor] of tensors.entries()) {
        if (Math.sign(tensor[i]!) !== sign) continue;
        sum += tensor[i]! * weights[t]!;
        count++;
      }
      return sum / Math.max(count, 1);
    });
}

/** The share `density` of the entries that are largest in absolute value, the others zero. */
export function pruneByMagnitude(tensor: Entries, density: number): Entries {
  if (density >= 1) return tensor;
  const order = Uint32Array.from({ length: tensor.length }, (_, i) => i);
  order.sort((a, b) => Math.abs(tensor[b]!) - Math.abs(tensor[a]!));
  const pruned = new Float64Array(tensor.length);
  for (const i of order.subarray(0, Math.floor(density * tensor.length))) pruned[i] = tensor[i]!;
  return pruned;
}

/**
 * Each entry with the probability `density`, and then larger by as much; the others zero.
 *
 * @param site names the tensor, so that its numbers are its own
 */
export function pruneAtRandom(tensor: Entries, density: number, seed: number, site: string): Entries {
  if (density >= 1) return tensor;
  const prefix = hash(seed, hashText(site));
  return entries(tensor.length, (i) => (unit(extend(prefix, i)) < density ? tensor[i]! / density : 0));
}

function entries(length: number, at: (i: number) => number): Float64Array {
  return Float64Array.from({ length }, (_, i) => at(i));
}
