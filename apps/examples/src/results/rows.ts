// The rows of a group's table: a method's accuracies over the seeds. Ways of using the experts of one training have rows too.

import { spread } from "../report/index.js";
import { readStored, type StoredResult } from "./stored.js";
import { GROUPS, type Group, type PlannedRun, plannedRuns, SEEDS } from "./study.js";

export interface Row {
  /** The method's folder, and the way of using its experts where it is not merging. */
  readonly key: string;
  readonly name: string;
  readonly seeds: readonly number[];
  /** On the test pictures, 0 to 1, one a seed. */
  readonly accuracies: readonly number[];
  /** Null without runs; the deviation also with one. */
  readonly mean: number | null;
  readonly deviation: number | null;
  readonly parametersTrained: number | null;
  /** Null, too, where no one plain adapter is deployed. */
  readonly parametersDeployed: number | null;
}

export interface GroupRows {
  readonly group: Group;
  readonly rows: readonly Row[];
}

export interface Results {
  readonly groups: readonly GroupRows[];
  /** Ids of the runs that are not there. */
  readonly missing: readonly string[];
  /** How many runs there are to be. */
  readonly planned: number;
}

type Found = PlannedRun & { readonly result: StoredResult };

/** @throws PeftError CONFIG_INVALID, JSON_INVALID for a file that is not a result */
export async function readResults(folder: string, groups: readonly Group[] = GROUPS): Promise<Results> {
  const runs = plannedRuns(groups);
  const found: Found[] = [];
  const missing: string[] = [];
  for (const run of runs) {
    const result = await readStored(folder, run);
    if (result) found.push({ ...run, result });
    else missing.push(run.id);
  }
  const rowsOf = (group: Group): Row[] => {
    const own = found.filter((run) => run.group === group);
    return group.methods.flatMap((method) => {
      const runsOf = own.filter((run) => run.method === method);
      const { folder: key, name } = method;
      const merged = row(key, name, runsOf, ({ accuracy }) => accuracy);
      if (!method.isInferred) return [merged];
      const others = (["random", "ensemble"] as const).map((way) => ({
        ...row(`${key}-${way}`, `${name}, ${way}`, runsOf, ({ inference }) => inference![way]),
        parametersDeployed: null,
      }));
      return [merged, ...others];
    });
  };
  return { groups: groups.map((group) => ({ group, rows: rowsOf(group) })), missing, planned: runs.length };
}

function row(key: string, name: string, runs: readonly Found[], accuracyOf: (result: StoredResult) => number): Row {
  const accuracies = runs.map(({ result }) => accuracyOf(result));
  const { mean, deviation } = runs.length > 0 ? spread(accuracies) : { mean: null, deviation: null };
  const first = runs[0]?.result;
  return {
    key,
    name,
    seeds: runs.map(({ seed }) => seed),
    accuracies,
    mean,
    deviation,
    parametersTrained: first?.parametersTrained ?? null,
    parametersDeployed: first?.parametersDeployed ?? null,
  };
}

/** Whether every seed's run is there. */
export function isWhole({ seeds }: Row): boolean {
  return seeds.length === SEEDS.length;
}
