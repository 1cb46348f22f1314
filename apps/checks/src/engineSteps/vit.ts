// Whole training steps of vision transformers with random weights, and loading one.
import {
  adamW,
  BottleneckConfig,
  estimateMemory,
  FullConfig,
  getPeftModel,
  LinearProbeConfig,
  LoraConfig,
  type PeftConfig,
  type PeftModel,
  parseViTConfig,
  type TrainingStep,
  type TrainingStepOptions,
  trainingStep,
  useEngine,
  ViTForImageClassification,
} from "@peft/core";
import { serve } from "../sides/protocol.js";
import { noise } from "./noise.js";

const CLASSES = 10;
const SIZES = {
  s: { hidden_size: 384, num_attention_heads: 6, intermediate_size: 1536 },
  b: { hidden_size: 768, num_attention_heads: 12, intermediate_size: 3072 },
};
/** As reference/bench/engine.py has them: adapters with GELU and without dropout, on a host without dropout. */
const METHODS: Record<string, () => PeftConfig> = {
  checkpointed: () => METHODS.adapter!(),
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
      const { model, options } = adapted(size, method);
      const checkpointed = { ...options, gradientCheckpointing: method === "checkpointed" };
      const step = trainingStep(model, checkpointed);
      return { model, options: checkpointed, step, inputs: batchOf(Number(batch)), steps: 0 };
    },
    step: (state) => runStep(state.step, state.inputs, state.steps++),
    estimate: ({ model, options, inputs }) => estimateMemory(model, inputs, options).total,
  });
}

/** What dropout on every residual branch adds to a step: the same step with and without it, one after the other. */
export async function serveDropout(): Promise<void> {
  await serve({
    async setup() {
      const steps = [DROPOUT, 0].map((rate) => {
        const { model, options } = adapted("b", "adapter", rate);
        return trainingStep(model, options);
      });
      return { steps, inputs: batchOf(4), count: 0 };
    },
    async step(state) {
      const count = state.count++;
      const times = [0, 0];
      for (const [i, step] of state.steps.entries()) {
        const start = performance.now();
        await runStep(step, state.inputs, count);
        times[i] = (performance.now() - start) / 1000;
      }
      return times[0]! - times[1]!;
    },
  });
}

const DROPOUT = 0.1;

function adapted(size: "s" | "b", method: string, dropout = 0): { model: PeftModel; options: TrainingStepOptions } {
  const id2label = Object.fromEntries(Array.from({ length: CLASSES }, (_, i) => [String(i), `class ${i}`]));
  const config = parseViTConfig({ ...SIZES[size], id2label, hidden_dropout_prob: dropout }, "vit");
  const host = new ViTForImageClassification(config);
  // Made here as in PyTorch, not at the first step; ones and zeros stay as they are, being cheap.
  for (const parameter of host.parameters().values())
    if (parameter.shape.length > 1) parameter.adopt(noise(parameter.size));
  const model = getPeftModel(host, METHODS[method]!());
  return { model, options: { optimizer: adamW(), weightDecay: 0.01, clipNorm: 1 } };
}

async function runStep(step: TrainingStep, inputs: ReturnType<typeof batchOf>, count: number): Promise<void> {
  const { loss } = await step.run(inputs, { learningRate: 1e-3, seed: 0, step: count });
  if (!Number.isFinite(loss)) throw new Error(`the loss is ${loss}`);
}

function batchOf(size: number) {
  const pixels = Float32Array.from({ length: size * 3 * 224 * 224 }, (_, i) => Math.sin(i * 0.37));
  return {
    pixelValues: { data: pixels, shape: [size, 3, 224, 224], dtype: "float32" as const },
    labels: { data: Int32Array.from({ length: size }, (_, i) => i % CLASSES), shape: [size], dtype: "int32" as const },
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
