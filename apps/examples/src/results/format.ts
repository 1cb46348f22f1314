// The study's tables and findings as text, and as one JSON document.

import { formatAccuracy, layOut } from "../report/index.js";
import { type Comparison, expectations } from "./expectations.js";
import { type GroupRows, isWhole, type Results, type Row } from "./rows.js";
import { SEEDS } from "./study.js";

const HEADER = ["method", "accuracy", "seeds", "trained", "deployed"];

export function formatResults({ groups, missing, planned }: Results): string {
  const tables = groups.map(({ group, rows }) => `${group.title}\n${layOut([HEADER, ...rows.map(cells)]).join("\n")}`);
  const findings = expectations(groups).map(
    ({ claim, verdict, comparisons }) => `${claim}: ${verdict}\n${layOut(comparisons.map(line), "  ").join("\n")}`,
  );
  return [
    ...tables,
    "What the paper finds, and what our runs say: difference of the means ± its standard error, in points",
    ...findings,
    ...(missing.length === 0 ? [] : [gaps(missing, planned)]),
  ].join("\n\n");
}

/** How many runs are not there, by group; the tables say of which methods. */
function gaps(missing: readonly string[], planned: number): string {
  const groups = [...new Set(missing.map((id) => id.split("/")[0]!))];
  const lines = groups.map((name) => `  ${name}: ${missing.filter((id) => id.startsWith(`${name}/`)).length}`);
  return [
    `Missing: ${missing.length} of ${planned} runs`,
    ...lines,
    "They are made by: pnpm results mosa --rerun --data <the folder of CIFAR-10>",
  ].join("\n");
}

function cells(row: Row): string[] {
  const { name, mean, deviation, seeds, parametersTrained, parametersDeployed } = row;
  const number = (value: number | null): string => value?.toLocaleString("en-US") ?? "-";
  return [
    name,
    mean === null ? "no runs" : formatAccuracy({ mean, deviation }),
    isWhole(row) ? String(seeds.length) : `${seeds.length} of ${SEEDS.length}`,
    number(parametersTrained),
    number(parametersDeployed),
  ];
}

function line({ group, ahead, behind, difference, standardError, verdict }: Comparison): string[] {
  // A standard error that rounds to nothing would make any difference look decided.
  const digits = standardError !== null && standardError < 1e-3 ? 2 : 1;
  const points = (value: number): string => (100 * value).toFixed(digits);
  const measured =
    difference === null || standardError === null
      ? "-"
      : `${difference > 0 ? "+" : ""}${points(difference)} ± ${points(standardError)}`;
  return [`${ahead} against ${behind}`, group, measured, verdict];
}

/** What `--json` prints. */
export function resultsJson({ groups, missing, planned }: Results): object {
  const described = ({ group, rows }: GroupRows): object => {
    const { folder, title, perClass, epochs } = group;
    return { folder, title, perClass, epochs, rows };
  };
  return { format: 1, groups: groups.map(described), expectations: expectations(groups), planned, missing };
}
