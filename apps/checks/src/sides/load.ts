// Our side of `pnpm bench load`: reading a model's folder, and one small forward pass, with which every weight is read.
import { parseArgs } from "node:util";
import { type HostArray, RobertaForMaskedLM, T5ForConditionalGeneration } from "@peft/core";
import { serve } from "./protocol.js";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { checkpoint: { type: "string" } } });
const words: HostArray = { data: Int32Array.from({ length: 8 }, (_, i) => 3 + i), shape: [1, 8], dtype: "int32" };

if (positionals[0]!.startsWith("t5")) {
  await serve({
    setup: () => T5ForConditionalGeneration.fromPretrained(values.checkpoint!),
    step: (model) => model({ inputIds: words, labels: words }),
  });
} else {
  await serve({
    setup: () => RobertaForMaskedLM.fromPretrained(values.checkpoint!),
    step: (model) => model({ inputIds: words }),
  });
}
