// Every op against PyTorch's autograd in float64: the cases of `fixtures/ops`, all cases of an op in one check.

import { BOUNDS, gradientFloor, largest, relativeError } from "../error.js";
import { evaluateOps, type OpCase, type OpResult, readOpCases } from "../opCases.js";
import type { Check } from "./check.js";
import type { Errors } from "./measure.js";

/** How much of the largest incoming gradient one that is zero in exact arithmetic may be. */
const ROUNDING = 1e-6;

/** @param folder that of the ops' fixtures */
export function float64Checks(folder: string): Check[] {
  const byOp = new Map<string, OpCase[]>();
  for (const one of readOpCases(folder)) {
    const { op } = one.fixture.info;
    byOp.set(op, [...(byOp.get(op) ?? []), one]);
  }
  return [...byOp].map(([op, cases]) => ({
    op: `${op}, float64`,
    bounds: { forward: BOUNDS.outputs, gradient: BOUNDS.gradients },
    prepare: async () => async () => {
      const results = await evaluateOps(cases);
      const errors = cases.map((one, i) => errorsOf(one, results[i]!));
      return {
        forward: Math.max(...errors.map(({ forward }) => forward)),
        gradient: Math.max(...errors.map(({ gradient }) => gradient)),
      };
    },
  }));
}

function errorsOf({ fixture }: OpCase, { output, gradients }: OpResult): Required<Errors> {
  const references = fixture.group("grad");
  const floor = gradientFloor(references.values());
  const upstream = largest(fixture.input("upstream").data);
  const found = [...references].map(([input, reference]) => {
    const gradient = gradients.get(input);
    if (!gradient) return Number.POSITIVE_INFINITY;
    if (!fixture.info.zeroGradient.includes(input)) return relativeError(gradient, reference, floor);
    // Noise has no measure of its own; it is small or it is an error.
    return largest(gradient) <= ROUNDING * upstream ? 0 : Number.POSITIVE_INFINITY;
  });
  return { forward: relativeError(output, fixture.input("output").data), gradient: Math.max(0, ...found) };
}
