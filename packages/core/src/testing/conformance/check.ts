// A check: one row of the conformance suite on whichever engine is measured.

import { BOUNDS } from "../error.js";
import { type Case, type Errors, errorsBetween, measure } from "./measure.js";

export interface Check {
  /** The op or kernel, and after a comma what is special. */
  readonly op: string;
  readonly bounds: { readonly forward: number; readonly gradient: number };
  /**
   * To be called while the eager engine runs on the pure JavaScript backend: finds out what is to come. The function that
   * it gives measures the engine that is in use when it is called.
   */
  prepare(): Promise<() => Promise<Errors>>;
}

/** A check of cases against others, or against the same ones, on the JavaScript backend. */
export function checkOf(
  op: string,
  cases: readonly Case[],
  { differentiable, against = cases }: { differentiable: boolean; against?: readonly Case[] },
): Check {
  return {
    op,
    bounds: { forward: BOUNDS.engines, gradient: BOUNDS.engines },
    prepare: async () => {
      const expected = await measure(against, differentiable);
      return async () => errorsBetween(await measure(cases, differentiable), expected);
    },
  };
}
