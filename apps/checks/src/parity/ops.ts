// Every op against PyTorch's autograd in float64 (fixtures/ops).
import { join } from "node:path";
import { evaluateOps, type OpCase, type OpResult, readOpCases } from "@peft/core/testing";
import { onBothEngines } from "./engines.js";
import type { Row } from "./rows.js";
import { engineRows, gradientRows, type Measured, outputRows } from "./tensors.js";

export async function ops(fixtures: string): Promise<Row[]> {
  const cases = readOpCases(join(fixtures, "ops"));
  const { eager, compiled } = await onBothEngines(() => evaluateOps(cases));
  return cases.flatMap((one, i) => rowsOf(one, compiled[i]!, eager[i]!));
}

/** The cases of an op are its tensors. */
function rowsOf({ name, fixture }: OpCase, compiled: OpResult, eager: OpResult): Row[] {
  const { op } = fixture.info;
  const gradientName = (input: string) => `${name} ${input}`;
  const rename = (gradients: ReadonlyMap<string, Float32Array>) =>
    new Map([...gradients].map(([input, numbers]) => [gradientName(input), numbers]));
  const measured = ({ output, gradients }: OpResult): Measured => ({
    outputs: new Map([[name, output]]),
    gradients: rename(gradients),
  });
  const own = measured(compiled);
  const zeroGradient = fixture.info.zeroGradient.map(gradientName);
  return [
    ...outputRows(`${op} / outputs`, own.outputs, new Map([[name, fixture.input("output").data]])),
    ...gradientRows(`${op} / gradients`, own.gradients, rename(fixture.group("grad")), { zeroGradient }),
    ...engineRows(op, { compiled: own, eager: measured(eager) }, { zeroGradient }),
  ];
}
