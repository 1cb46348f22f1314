// What BERT's and RoBERTa's rows have in common: bare models with a pooler.
import { join } from "node:path";
import { compile, type TextModel } from "@peft/core";
import { readFixture } from "@peft/core/testing";
import { forwardRows, type Inputs } from "./forward.js";
import type { Row } from "./rows.js";
import { numbersOf } from "./tensors.js";

/** The last hidden state and the pooler of a model without a head. */
export function bareRows(
  subject: string,
  folder: string,
  name: string,
  load: (folder: string) => Promise<TextModel>,
): Promise<Row[]> {
  const fixture = readFixture<Inputs>(folder, name);
  const { inputs } = fixture.info;
  return forwardRows(subject, fixture, async () => {
    const model = await load(join(folder, name));
    const run = compile((...tensors) => {
      const output = model.forward(Object.fromEntries(inputs.map((input, i) => [input, tensors[i]!])));
      return { lastHidden: output.lastHiddenState, pooler: model.pool(output) };
    });
    return numbersOf(await run(...inputs.map((input) => fixture.input(input))));
  });
}
