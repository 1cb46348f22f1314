// `peft merge`: an adapter folded into its host, as a checkpoint of its own.

import { ADAPTED_OPTIONS, ADAPTED_USAGE, loadAdapted } from "./adapted.js";
import { type Command, parse, required } from "./command.js";

export const merge: Command = {
  summary: "folds an adapter into its host and writes a checkpoint",
  usage: `peft merge --model DIR --adapter DIR --out DIR [--use PACKAGE]

${ADAPTED_USAGE}
  --out DIR      where config.json and model.safetensors go`,
  async run(args) {
    const parsed = parse(args, ADAPTED_OPTIONS);
    const out = required(parsed, "out");
    const model = await loadAdapted(parsed);
    await (await model.mergeAndUnload()).savePretrained(out);
    return `merged into ${out}`;
  },
};
