// What the paper finds (`mosa.md` §1), held against our runs: a method ahead of another, by the difference of their means
// and its standard error over the seeds.

import { type GroupRows, isWhole, type Row } from "./rows.js";

/** `agrees`, `disagrees`: the difference is significant, in the paper's direction or against it. */
export type Verdict = "agrees" | "disagrees" | "not decided" | "runs are missing";

export interface Comparison {
  readonly group: string;
  /** Names of the rows: the one that the paper has ahead, and the other. */
  readonly ahead: string;
  readonly behind: string;
  /** Of the means, ahead minus behind, 0 to 1; null where runs are missing. */
  readonly difference: number | null;
  readonly standardError: number | null;
  readonly verdict: Verdict;
}

export interface Expectation {
  readonly claim: string;
  /** `agrees`: all comparisons do. `disagrees`: one does. */
  readonly verdict: Verdict;
  readonly comparisons: readonly Comparison[];
}

interface Claim {
  readonly claim: string;
  /** Keys of rows: the one that is to be ahead, and the other. */
  readonly pairs: readonly (readonly [ahead: string, behind: string])[];
  /** Whether the two rows are of the same trained models, so that they are compared seed by seed. */
  readonly isPaired?: true;
}

const CLAIMS: readonly Claim[] = [
  {
    claim: "MoSA is ahead of AdaptFormer at equal deployed size",
    pairs: [
      ["mosa-32", "adaptformer-32"],
      ["mosa-64", "adaptformer-64"],
      ["mosa-128", "adaptformer-128"],
    ],
  },
  {
    claim: "splitting the up side alone is best",
    pairs: [
      ["mosa-32", "mosa-32-down"],
      ["mosa-32", "mosa-32-both"],
    ],
  },
  {
    claim: "merged experts are ahead of experts drawn at random and of the ensemble",
    pairs: [
      ["mosa-32", "mosa-32-random"],
      ["mosa-32", "mosa-32-ensemble"],
    ],
    isPaired: true,
  },
  {
    claim: "a larger bottleneck helps MoSA",
    pairs: [
      ["mosa-64", "mosa-32"],
      ["mosa-128", "mosa-32"],
    ],
  },
  {
    claim: "a larger bottleneck harms AdaptFormer",
    pairs: [
      ["adaptformer-32", "adaptformer-64"],
      ["adaptformer-32", "adaptformer-128"],
    ],
  },
  {
    claim: "four experts are ahead of fewer and of more",
    pairs: [
      ["mosa-32", "mosa-32-n2"],
      ["mosa-32", "mosa-32-n8"],
    ],
  },
  { claim: "MoSL is ahead of LoRA", pairs: [["mosl", "lora"]] },
];

/** Each of the paper's findings in each group whose table has the rows. */
export function expectations(groups: readonly GroupRows[]): Expectation[] {
  return CLAIMS.map(({ claim, pairs, isPaired = false }) => {
    const comparisons = groups.flatMap(({ group, rows }) =>
      pairs.flatMap((pair) => {
        const [ahead, behind] = pair.map((key) => rows.find((row) => row.key === key));
        return ahead && behind ? [compare(group.folder, ahead, behind, isPaired)] : [];
      }),
    );
    return { claim, verdict: together(comparisons.map(({ verdict }) => verdict)), comparisons };
  });
}

function compare(group: string, ahead: Row, behind: Row, isPaired: boolean): Comparison {
  const names = { group, ahead: ahead.name, behind: behind.name };
  if (!isWhole(ahead) || !isWhole(behind)) {
    return { ...names, difference: null, standardError: null, verdict: "runs are missing" };
  }
  const difference = ahead.mean! - behind.mean!;
  const n = ahead.accuracies.length;
  const differences = ahead.accuracies.map((accuracy, i) => accuracy - behind.accuracies[i]! - difference);
  const variance = isPaired
    ? differences.reduce((sum, d) => sum + d ** 2, 0) / (n - 1)
    : ahead.deviation! ** 2 + behind.deviation! ** 2;
  const standardError = Math.sqrt(variance / n);
  const bound = STUDENT[isPaired ? n - 1 : 2 * n - 2]! * standardError + ROUNDING;
  const verdict = difference > bound ? "agrees" : difference < -bound ? "disagrees" : "not decided";
  return { ...names, difference, standardError, verdict };
}

/** Student's t by degrees of freedom: 95 of 100 differences that chance makes are within so many standard errors. */
const STUDENT: Readonly<Record<number, number>> = { 2: 4.303, 4: 2.776 };
/** Equal means may differ in their last bit. */
const ROUNDING = 1e-12;

function together(verdicts: readonly Verdict[]): Verdict {
  const all = (wanted: Verdict): boolean => verdicts.every((verdict) => verdict === wanted);
  if (verdicts.includes("disagrees")) return "disagrees";
  if (all("runs are missing")) return "runs are missing";
  return all("agrees") ? "agrees" : "not decided";
}
