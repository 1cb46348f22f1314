// MoSA against the paper's repository (fixtures/mosa): ten steps with its owner maps and draws, and the merged experts.
import { join } from "node:path";
import { useEngine } from "@peft/core";
import { gradientFloor, tensorErrors } from "@peft/core/testing";
import { CASES, type Comparison, replay, replaySide } from "@peft/mosa/testing";
import { onBothEngines } from "./engines.js";
import { type Row, type RowKind, row } from "./rows.js";

const KINDS: Readonly<Record<Comparison["kind"], RowKind>> = {
  loss: "output",
  output: "output",
  gradients: "gradient",
  steps: "step",
};
/** What does not stand upon steps already taken: later, rounding has grown with them. */
const FIRST_STEP = ["logits of step 1", "gradients of step 1"];

export async function mosa(fixtures: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (const name of CASES) {
    const { eager, compiled } = await onBothEngines(() => replay(join(fixtures, "mosa"), name));
    const subject = `MoSA ${name}`;
    rows.push(...compiled.flatMap((comparison) => rowsOf(subject, comparison, KINDS[comparison.kind])));
    for (const [i, { name: what, ours, kind }] of compiled.entries()) {
      if (!FIRST_STEP.includes(what)) continue;
      const between = { name: `compiled against eager, ${what}`, kind, ours, reference: eager[i]!.ours };
      rows.push(...rowsOf(subject, between, "engines"));
    }
  }
  await useEngine("compiled");
  const side = await replaySide(join(fixtures, "mosa"));
  rows.push(...side.flatMap((comparison) => rowsOf("side network", comparison, KINDS[comparison.kind])));
  return rows;
}

function rowsOf(subject: string, { name, kind, ours, reference }: Comparison, rowKind: RowKind): Row[] {
  const floor = kind === "gradients" ? gradientFloor(reference.values()) : 0;
  const unexpected = [...ours.keys()].filter((tensor) => !reference.has(tensor));
  return [
    ...tensorErrors(ours, reference, { floor }),
    ...unexpected.map((tensor) => ({ name: tensor, error: Number.POSITIVE_INFINITY })),
  ].map((tensor) => row(`${subject} / ${name} / ${tensor.name}`, rowKind, tensor.error));
}
