// Rows of tensors by name: one for each tensor, `<subject> / <what> / <tensor>`.
import { changeError, gradientFloor, type Numbers, tensorErrors } from "@peft/core/testing";
import { type Row, type RowKind, row } from "./rows.js";

export type Tensors = ReadonlyMap<string, Numbers>;

/** What a model computes, on one engine. */
export interface Measured {
  readonly outputs: Tensors;
  readonly gradients: Tensors;
}

/** What of a step is left out: the names of tensors whose gradient is zero in exact arithmetic. */
export interface LeftOut {
  readonly zeroGradient?: readonly string[];
}

/** One row for each tensor of the reference. */
export function outputRows(name: string, actual: Tensors, reference: Tensors, kind: RowKind = "output"): Row[] {
  return tensorErrors(actual, reference).map((tensor) => row(`${name} / ${tensor.name}`, kind, tensor.error));
}

/**
 * One row for each gradient of the step, and one that misses for each that the reference does not have: something is
 * trained that should not be.
 */
export function gradientRows(
  name: string,
  actual: Tensors,
  reference: Tensors,
  { zeroGradient = [], kind = "gradient" }: LeftOut & { kind?: RowKind } = {},
): Row[] {
  const floor = gradientFloor(reference.values());
  const unexpected = [...actual.keys()].filter((tensor) => !reference.has(tensor));
  return [
    ...tensorErrors(actual, reference, { floor }).filter((tensor) => !zeroGradient.includes(tensor.name)),
    ...unexpected.map((tensor) => ({ name: tensor, error: Number.POSITIVE_INFINITY })),
  ].map((tensor) => row(`${name} / ${tensor.name}`, kind, tensor.error));
}

/** One row for each p_n − p_0. */
export function stepRows(
  name: string,
  actual: { before: Tensors; after: Tensors },
  reference: Tensors,
  { zeroGradient = [] }: LeftOut = {},
): Row[] {
  return [...reference]
    .filter(([tensor]) => !zeroGradient.includes(tensor))
    .map(([tensor, change]) => {
      const [before, after] = [actual.before.get(tensor), actual.after.get(tensor)];
      const error = before && after ? changeError(before, after, change) : Number.POSITIVE_INFINITY;
      return row(`${name} / ${tensor}`, "step", error);
    });
}

/** One row for each output and gradient. */
export function engineRows(
  subject: string,
  { compiled, eager }: { compiled: Measured; eager: Measured },
  leftOut: LeftOut = {},
): Row[] {
  return [
    ...outputRows(`${subject} / compiled against eager, outputs`, compiled.outputs, eager.outputs, "engines"),
    ...gradientRows(`${subject} / compiled against eager, gradients`, compiled.gradients, eager.gradients, {
      ...leftOut,
      kind: "engines",
    }),
  ];
}

/** Reads tensors and frees them. */
export async function numbersOf(
  tensors: Readonly<Record<string, { data(): Promise<Numbers>; dispose(): void }>>,
): Promise<Map<string, Numbers>> {
  const numbers = new Map<string, Numbers>();
  for (const [name, tensor] of Object.entries(tensors)) {
    numbers.set(name, await tensor.data());
    tensor.dispose();
  }
  return numbers;
}
