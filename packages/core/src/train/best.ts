// Which evaluation is the best, and when a run has waited long enough for a better one.

import { PeftError } from "../errors.js";
import type { Metrics } from "./evaluate.js";
import type { Best } from "./events.js";

/** Metrics by the name of the validation set, in the sets' order. */
export type Evaluations = ReadonlyMap<string, Metrics>;

export type Mode = "min" | "max";

export interface EarlyStopping {
  /** Evaluations without an improvement after which the run ends. */
  readonly patience: number;
  /** What counts as an improvement is better by more than this. @defaultValue 0 */
  readonly minDelta?: number;
  /** @defaultValue the metric that the best evaluation is chosen on */
  readonly metric?: string;
  /** @defaultValue "min" for names that end in "loss", else "max" */
  readonly mode?: Mode;
}

/** How long a run has waited for an improvement; part of the checkpoint. */
export interface Waiting {
  readonly best: number | null;
  /** Evaluations since then. */
  readonly evaluations: number;
}

/** A metric of the evaluations: its name and set, whether more is better, its value. */
export interface Chosen {
  /** "accuracy" of the first set, or "set/accuracy". */
  readonly metric: string;
  readonly split: string;
  readonly mode: Mode;
  readonly value: number;
}

/**
 * @param name of a metric of the first set, or "set/metric". @defaultValue accuracy where there is one, else loss
 * @throws PeftError ARGUMENT_INVALID for a metric that the evaluations do not have
 */
export function chosenMetric(evaluations: Evaluations, name: string | undefined, mode?: Mode): Chosen {
  const [first] = evaluations.keys();
  const slash = name?.indexOf("/") ?? -1;
  const split = slash > 0 && evaluations.has(name!.slice(0, slash)) ? name!.slice(0, slash) : first!;
  const metrics = evaluations.get(split)!;
  const metric = name ?? (metrics.accuracy === undefined ? "loss" : "accuracy");
  const value = metrics[slash > 0 ? name!.slice(slash + 1) : metric];
  if (value === undefined) {
    const names = [...evaluations].flatMap(([set, of]) => Object.keys(of).map((key) => `${set}/${key}`));
    throw new PeftError("ARGUMENT_INVALID", `there is no metric "${metric}" to choose by`, {
      place: "bestMetric",
      hint: `there are ${names.join(", ")}; the accuracy is that of classifiers`,
    });
  }
  return { metric, split, mode: mode ?? (metric.endsWith("loss") ? "min" : "max"), value };
}

/** Whether an evaluation is better than all before; the first of equals stays. */
export function isBetter({ value, mode, metric }: Chosen, best: Best | null): boolean {
  if (!Number.isFinite(value)) return false;
  return !best || best.metric !== metric || improves(value, best.value, mode, 0);
}

/** What is waited for after an evaluation. */
export function waitOn({ value, mode }: Chosen, before: Waiting, minDelta: number): Waiting {
  const improved = Number.isFinite(value) && (before.best === null || improves(value, before.best, mode, minDelta));
  return improved ? { best: value, evaluations: 0 } : { ...before, evaluations: before.evaluations + 1 };
}

function improves(value: number, best: number, mode: Mode, by: number): boolean {
  return (mode === "min" ? best - value : value - best) > by;
}
