// Our side of `pnpm bench mosa`: a step of the paper's recipe on ViT-B/16, dropout included, with MoSA and with the plain
// adapter, as reference/bench/mosa.py has them.
import {
  adamWLegacy,
  estimateMemory,
  getPeftModel,
  noDecay,
  type PeftConfig,
  parseViTConfig,
  type TrainingStepOptions,
  trainingStep,
  ViTForImageClassification,
} from "@peft/core";
import { MOSA_HOST, MosaConfig, plainAdapter } from "@peft/mosa";
import { fill, runStep } from "../engineSteps/training.js";
import { batchOf, CLASSES } from "../engineSteps/vit.js";
import { serve } from "./protocol.js";

const OPTIONS: TrainingStepOptions = { optimizer: adamWLegacy(), weightDecay: 0.01, groups: [noDecay] };
const METHODS: Readonly<Record<string, () => PeftConfig>> = {
  "vit-b-adaptformer-b16": () => plainAdapter(),
  "vit-b-mosa-b16": () => new MosaConfig({ headInit: "kaiming" }),
};

const [row] = process.argv.slice(2);
await serve({
  async setup() {
    const id2label = Object.fromEntries(Array.from({ length: CLASSES }, (_, i) => [String(i), `class ${i}`]));
    const config = parseViTConfig({ id2label }, "ViT-B/16");
    const dropout = { ...config.dropout, ...MOSA_HOST.dropout };
    const host = new ViTForImageClassification({ ...config, ...MOSA_HOST, dropout });
    const model = getPeftModel(fill(host), METHODS[row!]!());
    return { model, step: trainingStep(model, OPTIONS), inputs: batchOf(16), steps: 0 };
  },
  step: (state) => runStep(state.step, state.inputs, state.steps++),
  estimate: ({ model, inputs }) => estimateMemory(model, inputs, OPTIONS).total,
});
