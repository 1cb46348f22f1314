// A classifier's head on loading: the file's, or a new one for other classes.

import { PeftError } from "../errors.js";

export interface ChosenHead {
  /** The classes of the model. */
  readonly labels: readonly string[];
  /** Whether the head is read from the file; else it keeps its first values. */
  readonly keepsHead: boolean;
}

/**
 * A head starts anew only where the caller names classes, and they are not those of a head in the file.
 *
 * @param found the classes that the config names
 * @param wanted by the caller
 * @param hasHead whether the file holds a head of the wanted kind
 * @throws PeftError ARGUMENT_INVALID for no classes
 */
export function chooseHead(
  found: readonly string[],
  wanted: readonly string[] | undefined,
  hasHead: boolean,
): ChosenHead {
  const labels = wanted ?? found;
  if (labels.length === 0) throw new PeftError("ARGUMENT_INVALID", "labels must name at least one class");
  const isSame = labels.length === found.length && labels.every((label, i) => label === found[i]);
  return { labels, keepsHead: wanted === undefined || (isSame && hasHead) };
}

/** @throws PeftError ARGUMENT_INVALID for a rate of dropout that is none */
export function checkRates(dropout: Readonly<Record<string, number>>): void {
  for (const [place, rate] of Object.entries(dropout)) {
    if (!(rate >= 0 && rate < 1)) {
      throw new PeftError("ARGUMENT_INVALID", `dropout.${place} wants 0 <= rate < 1, got ${rate}`);
    }
  }
}
