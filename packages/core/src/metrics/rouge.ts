// ROUGE-N and ROUGE-L (Lin 2004) as Google's package rouge_score computes them.

import { PeftError } from "../errors.js";
import { porterStem } from "./porterStemmer.js";

export interface RougeScore {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** Of shared words, of shared pairs of words, of the longest common subsequence. */
export type RougeKind = "rouge1" | "rouge2" | "rougeL";

export interface RougeOptions {
  /** Whether words of more than three letters are stemmed first. @defaultValue false */
  readonly stem?: boolean;
}

/**
 * The overlap of a text with a reference; of several, the one with the largest F1 (the first of equals). Texts are split into runs of
 * the letters a to z and digits, after capitals have gone: other scripts have no word here.
 *
 * @throws PeftError ARGUMENT_INVALID without a reference
 */
export function rouge(
  kind: RougeKind,
  prediction: string,
  references: readonly string[],
  { stem = false }: RougeOptions = {},
): RougeScore {
  if (references.length === 0) throw new PeftError("ARGUMENT_INVALID", "there is no reference");
  const predicted = tokens(prediction, stem);
  const scores = references.map((reference) => scoreOf(kind, predicted, tokens(reference, stem)));
  return scores.reduce((best, score) => (score.f1 > best.f1 ? score : best));
}

function tokens(text: string, stem: boolean): string[] {
  const found = text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  return stem ? found.map((token) => (token.length > 3 ? porterStem(token) : token)) : found;
}

function scoreOf(kind: RougeKind, predicted: readonly string[], wanted: readonly string[]): RougeScore {
  if (kind === "rougeL") return scoreOfCounts(longestCommon(predicted, wanted), predicted.length, wanted.length);
  const [ours, theirs] = [predicted, wanted].map((list) => grams(list, kind === "rouge1" ? 1 : 2)) as [Grams, Grams];
  let shared = 0;
  for (const [gram, count] of theirs.counts) shared += Math.min(count, ours.counts.get(gram) ?? 0);
  return scoreOfCounts(shared, ours.total, theirs.total);
}

function scoreOfCounts(shared: number, predicted: number, wanted: number): RougeScore {
  const precision = shared / Math.max(predicted, 1);
  const recall = shared / Math.max(wanted, 1);
  return { precision, recall, f1: shared === 0 ? 0 : (2 * precision * recall) / (precision + recall) };
}

interface Grams {
  readonly counts: ReadonlyMap<string, number>;
  readonly total: number;
}

/** Runs of `length` tokens. */
function grams(list: readonly string[], length: number): Grams {
  const counts = new Map<string, number>();
  const total = Math.max(list.length - length + 1, 0);
  for (let i = 0; i < total; i++) {
    const gram = list.slice(i, i + length).join(" ");
    counts.set(gram, (counts.get(gram) ?? 0) + 1);
  }
  return { counts, total };
}

/** The length of the longest common subsequence, a row of its table at a time. */
function longestCommon(a: readonly string[], b: readonly string[]): number {
  const row = new Uint32Array(b.length + 1);
  for (const token of a) {
    let diagonal = 0;
    for (let j = 1; j <= b.length; j++) {
      const above = row[j]!;
      row[j] = token === b[j - 1] ? diagonal + 1 : Math.max(above, row[j - 1]!);
      diagonal = above;
    }
  }
  return row[b.length]!;
}
