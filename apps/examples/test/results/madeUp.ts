// Made-up results: a study of two groups whose accuracies are given.

import type { StoredResult } from "../../src/results/stored.js";
import { writeStored } from "../../src/results/stored.js";
import { GROUPS, type Group, plannedRuns } from "../../src/results/study.js";

/** The first group with some of its methods. */
export function groupOf(...methods: string[]): Group {
  const [first] = GROUPS;
  return { ...first!, methods: first!.methods.filter(({ folder }) => methods.includes(folder)) };
}

/** By the method's folder: accuracies of the seeds 0, 1, …; of the merged experts, at random, as an ensemble where it is a list of three. */
export type Accuracies = Readonly<Record<string, readonly (number | readonly [number, number, number])[]>>;

export async function writeMadeUp(folder: string, group: Group, accuracies: Accuracies): Promise<void> {
  for (const run of plannedRuns([group])) {
    const given = accuracies[run.method.folder]?.[run.seed];
    if (given === undefined) continue;
    const [accuracy, random, ensemble] = typeof given === "number" ? [given, given, given] : given;
    const result: StoredResult = {
      format: 1,
      run: run.id,
      learningRate: run.method.learningRate,
      epochs: group.epochs,
      accuracy,
      ...(run.method.isInferred && { inference: { random, ensemble } }),
      parametersTrained: 1234,
      parametersDeployed: 1000,
      validation: [0.5, 0.6],
    };
    await writeStored(folder, run, result);
  }
}
