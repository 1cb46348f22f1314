// Every op against PyTorch's autograd in float64 (fixtures/ops).
import { join } from "node:path";
import { evaluateOps, type OpCase, type OpResult, readOpCases } from "@peft/core/testing";
import { onBothEngines } from "./engines.js";
import type { Row } from "./rows.js";
import { engineRows, gradientRows, type Measured, outputRows } from "./tensors.js";

/** Cases of what an op cannot do yet: conv2d takes windows side by side alone. */
const LEFT_OUT = /^conv2d-(3x3|3x3-no-bias|dilation-2|groups-2|stride-2)$/;

export async function ops(fixtures: string): Promise<Row[]> {
  const all = readOpCases(join(fixtures, "ops"));
  const cases = all.filter(({ name }) => !LEFT_OUT.test(name));
  for (const { name } of all.filter((one) => !cases.includes(one))) {
    console.error(`left out: ops / ${name} (conv2d takes windows side by side alone, so far)`);
  }
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
