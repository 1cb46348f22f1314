// Whole training steps of vision transformers with random weights, and loading one.
import {
  BottleneckConfig,
  estimateMemory,
  FullConfig,
  getPeftModel,
  type HostArray,
  LinearProbeConfig,
  LoraConfig,
  type PeftConfig,
  type PeftModel,
  parseViTConfig,
  trainingStep,
  useEngine,
  ViTForImageClassification,
} from "@peft/core";
import { serve } from "../sides/protocol.js";
import { fill, OPTIONS, runStep } from "./training.js";

export const CLASSES = 10;
const SIZES = {
  s: { hidden_size: 384, num_attention_heads: 6, intermediate_size: 1536 },
  b: { hidden_size: 768, num_attention_heads: 12, intermediate_size: 3072 },
};
/** As reference/bench/engine.py has them: adapters with GELU and without dropout, on a host that has some in row `dropout` alone. */
const METHODS: Record<string, () => PeftConfig> = {
  checkpointed: () => METHODS.adapter!(),
  dropout: () => METHODS.adapter!(),
  adapter: () => new BottleneckConfig({ bottleneck: 64, activation: "gelu", dropout: 0 }),
  lora: () => new LoraConfig({ r: 8, loraAlpha: 8, targetModules: ["query", "value"] }),
  probe: () => new LinearProbeConfig(),
  full: () => new FullConfig({ inPlace: true }),
};

export async function serveTraining(name: string): Promise<void> {
  const [, size, method, batch] = /^vit-([sb])-(\w+)-b(\d+)$/.exec(name)! as unknown as [
    string,
    "s" | "b",
    string,
    string,
  ];
  await serve({
    async setup() {
      const model = adapted(size, method);
      const options = { ...OPTIONS, gradientCheckpointing: method === "checkpointed" };
      return { model, options, step: trainingStep(model, options), inputs: batchOf(Number(batch)), steps: 0 };
    },
    step: (state) => runStep(state.step, state.inputs, state.steps++),
    estimate: ({ model, options, inputs }) => estimateMemory(model, inputs, options).total,
  });
}

function adapted(size: "s" | "b", method: string): PeftModel {
  const id2label = Object.fromEntries(Array.from({ length: CLASSES }, (_, i) => [String(i), `class ${i}`]));
  const config = parseViTConfig(
    { ...SIZES[size], id2label, hidden_dropout_prob: method === "dropout" ? 0.1 : 0 },
    "vit",
  );
  return getPeftModel(fill(new ViTForImageClassification(config)), METHODS[method]!());
}

/** Pictures of 224 pixels and their classes. */
export function batchOf(size: number): Record<"pixelValues" | "labels", HostArray> {
  const pixels = Float32Array.from({ length: size * 3 * 224 * 224 }, (_, i) => Math.sin(i * 0.37));
  return {
    pixelValues: { data: pixels, shape: [size, 3, 224, 224], dtype: "float32" },
    labels: { data: Int32Array.from({ length: size }, (_, i) => i % CLASSES), shape: [size], dtype: "int32" },
  };
}

/** Each step loads the checkpoint anew; the model of the step before is freed. With `read`, all numbers go to the engine. */
export async function serveLoading(checkpoint: string, read: boolean): Promise<void> {
  let model: ViTForImageClassification | undefined;
  await serve({
    setup: () => useEngine("compiled"),
    async step() {
      model?.dispose();
      model = await ViTForImageClassification.fromPretrained(checkpoint);
      if (!read) return;
      for (const parameter of model.parameters().values()) parameter.bound();
      await model.parameters().get("classifier.bias")!.read();
    },
  });
}
