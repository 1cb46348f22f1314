// `peft convert`: an adapter's file in another layout.

import { LAYOUTS, type Layout } from "../adapters/index.js";
import { loadHost } from "../models/index.js";
import { ADAPTED_OPTIONS, ADAPTED_USAGE, loadAdapted } from "./adapted.js";
import { type Command, parse, required, UsageError } from "./command.js";

export const convert: Command = {
  summary: "writes an adapter's file in another layout",
  usage: `peft convert --model DIR --adapter DIR --out DIR --to LAYOUT [--from LAYOUT] [--use PACKAGE]

${ADAPTED_USAGE}
  --out DIR      where the adapter's files go
  --to LAYOUT    peft-hf5: PEFT's, with module names as in transformers 5; peft-hf4: as in transformers 4;
                 adapterhub: that of the library adapters, for bottleneck adapters
  --from LAYOUT  which the adapter has; PEFT's in either spelling is understood without`,
  async run(args) {
    const options = { ...ADAPTED_OPTIONS, to: { type: "string" }, from: { type: "string" } } as const;
    const parsed = parse(args, options);
    const [out, to] = [required(parsed, "out"), required(parsed, "to")];
    const layout = layoutOf(to);
    const from = parsed.values.from as string | undefined;
    const model = from
      ? await layoutOf(from).read(await loadHost(required(parsed, "model")), required(parsed, "adapter"))
      : await loadAdapted(parsed);
    await layout.write(model, out);
    return `${to} written to ${out}`;
  },
};

function layoutOf(name: string): Layout {
  const layout = LAYOUTS[name];
  if (layout) return layout;
  throw new UsageError(`there is no layout "${name}"; layouts are ${Object.keys(LAYOUTS).join(", ")}`);
}
