// CIDEr-D (Vedantam et al. 2015, §6) of captions, as the COCO toolkit computes it.

import { PeftError } from "../errors.js";
import { checkPairs, mean } from "./classification.js";

/** Runs of one to four tokens count alike. */
const LONGEST_GRAM = 4;
/** The deviation of the penalty on a difference in length. */
const SIGMA = 6;

/** The tokens of a caption, as `captionTokens` gives them. */
export type CaptionTokens = readonly string[];

export interface CiderScore {
  /** The mean over the pictures, 0 to 10. (Papers print it times 100 where it is divided by ten: 1.2 as 120.) */
  readonly mean: number;
  /** By picture. */
  readonly scores: readonly number[];
}

/** Weights of the runs of each length, their norm, and the number of pairs, by which the toolkit compares lengths. */
interface Vector {
  readonly weights: readonly ReadonlyMap<string, number>[];
  readonly norms: readonly number[];
  readonly pairs: number;
}

/**
 * How much the captions resemble what people wrote of the same pictures. A run of words weighs the less the more pictures it
 * is said of, so that a score depends on the whole set; of one picture alone it is 0.
 *
 * @param captions by picture
 * @param references by picture, one or more
 * @throws PeftError ARGUMENT_INVALID for none, unequally many, or a picture without a reference
 */
export function ciderD(
  captions: readonly CaptionTokens[],
  references: readonly (readonly CaptionTokens[])[],
): CiderScore {
  checkPairs(captions.length, references.length, 1);
  const bare = references.findIndex((those) => those.length === 0);
  if (bare >= 0) throw new PeftError("ARGUMENT_INVALID", "there is no reference", { place: `picture ${bare}` });
  const counted = references.map((those) => those.map(gramCounts));
  const pictures = picturesOf(counted);
  const scores = captions.map((caption, i) => {
    const ours = vectorOf(gramCounts(caption), pictures, references.length);
    const theirs = counted[i]!.map((counts) => vectorOf(counts, pictures, references.length));
    return 10 * mean(theirs.map((vector) => similarity(ours, vector)));
  });
  return { mean: mean(scores), scores };
}

/** By length less one, how often each run of tokens occurs. */
type GramCounts = readonly ReadonlyMap<string, number>[];

function gramCounts(tokens: CaptionTokens): GramCounts {
  return Array.from({ length: LONGEST_GRAM }, (_, i) => {
    const counts = new Map<string, number>();
    for (let start = 0; start + i < tokens.length; start++) {
      const gram = tokens.slice(start, start + i + 1).join(" ");
      counts.set(gram, (counts.get(gram) ?? 0) + 1);
    }
    return counts;
  });
}

/** In the references of how many pictures a run occurs. Tokens have no blanks, so runs of two lengths differ. */
function picturesOf(references: readonly (readonly GramCounts[])[]): Map<string, number> {
  const pictures = new Map<string, number>();
  for (const those of references) {
    const said = new Set(those.flatMap((counts) => counts.flatMap((grams) => [...grams.keys()])));
    for (const gram of said) pictures.set(gram, (pictures.get(gram) ?? 0) + 1);
  }
  return pictures;
}

function vectorOf(counts: GramCounts, pictures: ReadonlyMap<string, number>, all: number): Vector {
  const weights = counts.map((grams) => {
    const weigh = (gram: string) => Math.log(all) - Math.log(pictures.get(gram) ?? 1);
    return new Map([...grams].map(([gram, count]) => [gram, count * weigh(gram)] as const));
  });
  const norms = weights.map((those) => Math.sqrt([...those.values()].reduce((sum, weight) => sum + weight ** 2, 0)));
  const pairs = [...counts[1]!.values()].reduce((sum, count) => sum + count, 0);
  return { weights, norms, pairs };
}

/** The mean over the lengths of the cosine, where no run counts more than the reference has it. */
function similarity(ours: Vector, theirs: Vector): number {
  const penalty = Math.exp(-((ours.pairs - theirs.pairs) ** 2) / (2 * SIGMA ** 2));
  const cosines = ours.weights.map((weights, i) => {
    let sum = 0;
    for (const [gram, weight] of weights) {
      const other = theirs.weights[i]!.get(gram) ?? 0;
      sum += Math.min(weight, other) * other;
    }
    const norm = ours.norms[i]! * theirs.norms[i]!;
    return norm === 0 ? sum : sum / norm;
  });
  return penalty * mean(cosines);
}
