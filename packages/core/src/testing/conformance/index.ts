// The conformance suite: every op and every kernel on one of the roads that compiled functions can take, against float64
// fixtures or TensorFlow.js's own composition and gradient on its JavaScript backend.

import * as fc from "fast-check";
import { useEngine } from "../../engine/index.js";
import { type Road, takeRoad } from "../../engine/roads.js";
import { type Check, checkOf } from "./check.js";
import { exactChecks } from "./exact.js";
import { extremeChecks } from "./extremes.js";
import { float64Checks } from "./float64.js";
import { KERNELS } from "./kernels/index.js";
import { OPS, type OpCase } from "./ops/index.js";

export type { Check } from "./check.js";
export type { Errors } from "./measure.js";

export interface Row {
  readonly op: string;
  readonly road: Road;
  /** Of outputs; see `relativeError`. Where all must be exact, how many numbers differ. */
  readonly forward_error: number;
  /** Null where the op has no gradient. */
  readonly gradient_error: number | null;
  readonly ok: boolean;
  /** Why there is no error to be had. */
  readonly failure?: string;
}

const RUNS = { ops: 10, kernels: 12 };

/** The checks of our own ops. */
export function opChecks(): Check[] {
  return Object.entries(OPS).map(([op, arbitrary]) => {
    const cases = fc.sample(arbitrary, { numRuns: RUNS.ops, seed: 42 });
    const along = (field: "apply" | "compose") => (one: OpCase) => ({
      inputs: one.shapes.map((shape) => ({ shape, low: -(one.scale ?? 1), high: one.scale ?? 1 })),
      apply: (one[field] ?? one.apply).bind(one),
    });
    return checkOf(op, cases.map(along("apply")), {
      differentiable: true,
      against: cases.map(along("compose")),
    });
  });
}

/** The checks of TensorFlow.js's kernels. */
export function kernelChecks(): Check[] {
  return Object.entries(KERNELS).map(([op, { cases, differentiable }]) =>
    checkOf(op, fc.sample(cases, { numRuns: RUNS.kernels, seed: 7 }), { differentiable }),
  );
}

/**
 * All checks, by op.
 *
 * @param fixtures the folder that `reference/` fills
 */
export function conformanceChecks(fixtures: string): Check[] {
  return [...opChecks(), ...float64Checks(`${fixtures}/ops`), ...exactChecks(), ...kernelChecks(), ...extremeChecks()];
}

/** Measures checks on a road. The engine stays in use. */
export async function* conform(road: Road, checks: readonly Check[]): AsyncGenerator<Row> {
  await useEngine("eager");
  const prepared = [];
  for (const check of checks) prepared.push({ check, measure: await check.prepare() });
  await takeRoad(road);
  for (const { check, measure } of prepared) {
    const { op, bounds } = check;
    try {
      const { forward, gradient } = await measure();
      const ok = forward <= bounds.forward && (gradient === undefined || gradient <= bounds.gradient);
      yield { op, road, forward_error: forward, gradient_error: gradient ?? null, ok };
    } catch (error) {
      const failure = (error as Error).message;
      yield { op, road, forward_error: Number.POSITIVE_INFINITY, gradient_error: null, ok: false, failure };
    }
  }
}
