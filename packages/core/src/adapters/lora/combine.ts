// Several LoRA adapters made one, as PEFT's `add_weighted_adapter` does it layer by layer.

import { PeftError } from "../../errors.js";
import type { Combination, CombinationOptions, CombinationSource, CombinationType } from "../combination.js";
import type { Attachment } from "../method.js";
import { svdOfMatrix, svdOfProduct } from "../svd.js";
import {
  type Combine,
  type Entries,
  electSigns,
  pruneAtRandom,
  pruneByMagnitude,
  taskArithmetic,
} from "../taskVectors.js";
import type { LoraConfig } from "./config.js";
import type { LoraLayer } from "./layer.js";

/** The layers of an attached LoRA, by path. */
export const layersOf: WeakMap<Attachment, ReadonlyMap<string, LoraLayer>> = new WeakMap();

/** An adapter's numbers at one layer: B [out, r] and A [r, in], of a convolution with its window in `in`. */
interface Pair {
  readonly a: Entries;
  readonly b: Entries;
  readonly r: number;
  readonly scale: number;
  readonly weight: number;
}

/**
 * @throws PeftError ARGUMENT_INVALID for DoRA, biases of B, convolutions in groups, ranks that do not fit the type, and a type
 *   that prunes without a density
 */
export async function combineLora(
  sources: readonly CombinationSource<LoraConfig>[],
  options: CombinationOptions,
): Promise<Combination<LoraConfig>> {
  const type = sources.length === 1 ? "linear" : (options.combinationType ?? "svd");
  const rank = rankOf(sources, type, options.svdRank);
  const recipe = recipeOf(type, options);
  const all = sources.map(({ config, attachment, weight }) => {
    if (config.useDora || config.loraBias) {
      throw refusal(`adapters with ${config.useDora ? "useDora" : "loraBias"} cannot be combined`);
    }
    return { layers: layersOf.get(attachment)!, weight };
  });
  const paths = [...new Set(all.flatMap(({ layers }) => [...layers.keys()]))];
  const numbers = new Map<string, Float32Array>();
  for (const path of paths) {
    const present = all.flatMap(({ layers, weight }) => {
      const layer = layers.get(path);
      return layer ? [{ layer, weight }] : [];
    });
    const { layer } = present[0]!;
    if (layer.base.weight.shape.length === 4 && layer.unmergeable) throw refusal(layer.unmergeable);
    const pairs = await Promise.all(present.map(({ layer, weight }) => read(layer, weight)));
    const made = recipe(pairs, { path, rank });
    const [a, b] = layer.pair.map((parameter) => parameter.name);
    numbers.set(a!, padded(made.a, made.r, rank, "rows"));
    numbers.set(b!, padded(made.b, made.r, rank, "columns"));
  }
  const config = sources[0]!.config.with({
    r: rank,
    loraAlpha: rank,
    // PEFT keeps this, and scales what it has scaled already.
    useRslora: false,
    targetModules: paths,
    excludeModules: null,
    layersToTransform: null,
    layersPattern: null,
    rankPattern: {},
    alphaPattern: {},
    bias: "none",
    modulesToSave: null,
  });
  return { config, numbers };
}

async function read(layer: LoraLayer, weight: number): Promise<Pair> {
  const [a, b] = await Promise.all(layer.pair.map((parameter) => parameter.read()));
  return { a: a!, b: b!, r: layer.pair[0].shape[0]!, scale: await layer.scale(), weight };
}

type Factors = Pick<Pair, "a" | "b" | "r">;
type Recipe = (pairs: readonly Pair[], at: { path: string; rank: number }) => Factors;

function recipeOf(type: CombinationType, options: CombinationOptions): Recipe {
  if (type === "cat") return concatenated;
  const { combine, prune } = arithmetic(type.replace(/_svd$/, ""), options);
  if (type === "svd") return (pairs, { rank }) => ofSvd(svdOfProduct(...columnsOf(pairs)), rank);
  if (type.endsWith("_svd")) {
    return (pairs, { path, rank }) => {
      const deltas = pairs.map((pair, i) => prune(deltaOf(pair), `${path} ${i}`));
      const weights = pairs.map(({ weight }) => weight);
      const [out, inner] = [pairs[0]!.b.length / pairs[0]!.r, pairs[0]!.a.length / pairs[0]!.r];
      return ofSvd(svdOfMatrix(combine(deltas, weights), out, inner), rank);
    };
  }
  return (pairs, { path }) => {
    const [{ r }] = pairs as [Pair];
    if (pairs.some((pair) => pair.r !== r))
      throw refusal(`the adapters have other ranks at "${path}", and ${type} needs one`);
    // Half of the weight goes to either factor, and a negative one's sign to A alone.
    const [strengths, signs] = [
      pairs.map(({ weight, scale }) => Math.sqrt(Math.abs(weight * scale))),
      pairs.map(({ weight, scale }) => (weight * scale < 0 ? -1 : 1)),
    ];
    return {
      a: combine(
        pairs.map(({ a }, i) => prune(a, `${path} A ${i}`)),
        strengths.map((x, i) => x * signs[i]!),
      ),
      b: combine(
        pairs.map(({ b }, i) => prune(b, `${path} B ${i}`)),
        strengths,
      ),
      r,
    };
  };
}

/** How entries are pruned and combined. @param type without "_svd" */
function arithmetic(
  type: string,
  { density, majoritySignMethod = "total", seed = 0 }: CombinationOptions,
): { combine: Combine; prune: (tensor: Entries, site: string) => Entries } {
  const combine = type.endsWith("ties") ? electSigns(majoritySignMethod) : taskArithmetic;
  if (type === "svd" || type === "linear") return { combine, prune: (tensor) => tensor };
  if (density === undefined || !(density > 0 && density <= 1)) {
    throw refusal(`${type} needs a density above 0 and at most 1, and got ${density}`);
  }
  return type.startsWith("dare")
    ? { combine, prune: (tensor, site) => pruneAtRandom(tensor, density, seed, site) }
    : { combine, prune: (tensor) => pruneByMagnitude(tensor, density) };
}

const concatenated: Recipe = (pairs) => {
  const r = pairs.reduce((sum, pair) => sum + pair.r, 0);
  const out = pairs[0]!.b.length / pairs[0]!.r;
  const b = new Float64Array(out * r);
  let first = 0;
  for (const pair of pairs) {
    for (let i = 0; i < out; i++) {
      for (let k = 0; k < pair.r; k++) b[i * r + first + k] = pair.b[i * pair.r + k]!;
    }
    first += pair.r;
  }
  return { a: pairs.flatMap(({ a, weight, scale }) => Array.from(a, (x) => x * weight * scale)), b, r };
};

/** The weighted sum of updates as two factors of columns: those of B, and the rows of A. */
function columnsOf(pairs: readonly Pair[]): [b: Float64Array[], a: Float64Array[]] {
  const columns = pairs.flatMap(({ a, b, r, scale, weight }) =>
    Array.from({ length: r }, (_, k) => [
      Float64Array.from({ length: b.length / r }, (_, i) => b[i * r + k]! * scale * weight),
      Float64Array.from({ length: a.length / r }, (_, j) => a[(k * a.length) / r + j]!),
    ]),
  );
  return [columns.map(([b]) => b!), columns.map(([, a]) => a!)];
}

function deltaOf({ a, b, r, scale }: Pair): Float64Array {
  const [out, inner] = [b.length / r, a.length / r];
  return Float64Array.from({ length: out * inner }, (_, at) => {
    const [i, j] = [Math.floor(at / inner), at % inner];
    let sum = 0;
    for (let k = 0; k < r; k++) sum += b[i * r + k]! * a[k * inner + j]!;
    return sum * scale;
  });
}

/** The largest singular values, which go to B. */
function ofSvd({ u, s, v }: ReturnType<typeof svdOfProduct>, rank: number): Factors {
  const r = Math.min(rank, s.length);
  const out = u[0]!.length;
  return {
    a: v.slice(0, r).flatMap((row) => [...row]),
    b: Float64Array.from({ length: out * r }, (_, at) => u[at % r]![Math.floor(at / r)]! * s[at % r]!),
    r,
  };
}

/** A factor in the new adapter's rank: what is not used is zero. */
function padded(numbers: Entries, r: number, rank: number, side: "rows" | "columns"): Float32Array {
  const length = numbers.length / r;
  const filled = new Float32Array(length * rank);
  if (side === "rows") filled.set(Float32Array.from(numbers));
  else for (let at = 0; at < numbers.length; at++) filled[Math.floor(at / r) * rank + (at % r)] = numbers[at]!;
  return filled;
}

/** The new rank, from the configs alone, as PEFT does. */
function rankOf(sources: readonly CombinationSource<LoraConfig>[], type: CombinationType, svdRank?: number): number {
  const ranks = sources.map(({ config }) => Math.max(config.r, ...Object.values(config.rankPattern)));
  if (type === "cat") return ranks.reduce((sum, r) => sum + r, 0);
  if (type.endsWith("svd")) {
    if (svdRank === undefined || (Number.isInteger(svdRank) && svdRank > 0)) return svdRank ?? Math.max(...ranks);
    throw refusal(`svdRank must be whole and at least 1, and is ${svdRank}`);
  }
  if (ranks.every((r) => r === ranks[0])) return ranks[0]!;
  throw refusal(`the adapters have the ranks ${ranks.join(", ")}, and ${type} needs one`);
}

function refusal(message: string): PeftError {
  return new PeftError("ARGUMENT_INVALID", message, {
    place: "addWeightedAdapter",
    hint: 'combinationType "cat" and "svd" take any ranks; merge what cannot be combined one upon the other',
  });
}
