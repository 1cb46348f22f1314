// `peft convert`: an adapter's file in another layout.

import type { Naming } from "../models/index.js";
import { ADAPTED_OPTIONS, ADAPTED_USAGE, loadAdapted } from "./adapted.js";
import { type Command, parse, required, UsageError } from "./command.js";

/** Layouts by name: the spelling of module names that they have. */
const LAYOUTS: Readonly<Record<string, Naming>> = { "peft-hf5": "hf5", "peft-hf4": "hf4" };

export const convert: Command = {
  summary: "writes an adapter's file in another layout",
  usage: `peft convert --model DIR --adapter DIR --out DIR --to LAYOUT [--use PACKAGE]

${ADAPTED_USAGE}
  --out DIR      where the adapter's files go
  --to LAYOUT    peft-hf5: PEFT's, with module names as in transformers 5; peft-hf4: as in transformers 4`,
  async run(args) {
    const parsed = parse(args, { ...ADAPTED_OPTIONS, to: { type: "string" } });
    const [out, layout] = [required(parsed, "out"), required(parsed, "to")];
    const naming = LAYOUTS[layout];
    if (!naming) throw new UsageError(`there is no layout "${layout}"; layouts are ${Object.keys(LAYOUTS).join(", ")}`);
    const model = await loadAdapted(parsed);
    await model.savePretrained(out, { naming });
    return `${layout} written to ${out}`;
  },
};
