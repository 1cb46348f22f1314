// Our side of `pnpm bench engine`: whole training steps of vision transformers with random weights, and loading one.
import { parseArgs } from "node:util";
import {
  adamW,
  BottleneckConfig,
  FullConfig,
  getPeftModel,
  LinearProbeConfig,
  LoraConfig,
  type PeftConfig,
  parseViTConfig,
  trainingStep,
  useEngine,
  ViTForImageClassification,
} from "@peft/core";
import { serve } from "./protocol.js";

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

const { values, positionals } = parseArgs({ allowPositionals: true, options: { checkpoint: { type: "string" } } });
const row = positionals[0]!;
if (row.startsWith("vit-b-load")) await serveLoading(values.checkpoint!, row.endsWith("read"));
else await serveTraining(row === "vit-b-first" ? "vit-b-adapter-b4" : row);

async function serveTraining(name: string): Promise<void> {
  const [, size, method, batch] = /^vit-([sb])-(\w+)-b(\d+)$/.exec(name)! as unknown as [
    string,
    "s" | "b",
    string,
    string,
  ];
  await serve({
    async setup() {
      const id2label = Object.fromEntries(Array.from({ length: CLASSES }, (_, i) => [String(i), `class ${i}`]));
      const host = new ViTForImageClassification(parseViTConfig({ ...SIZES[size], id2label }, name));
      // Made here as in PyTorch, not at the first step; ones and zeros stay as they are, being cheap.
      for (const parameter of host.parameters().values())
        if (parameter.shape.length > 1) parameter.adopt(noise(parameter.size));
      const model = getPeftModel(host, METHODS[method]!());
      const gradientCheckpointing = method === "checkpointed";
      const step = trainingStep(model, { optimizer: adamW(), weightDecay: 0.01, clipNorm: 1, gradientCheckpointing });
      return { step, inputs: batchOf(Number(batch)), steps: 0 };
    },
    async step(state) {
      const { loss } = await state.step.run(state.inputs, { learningRate: 1e-3, seed: 0, step: state.steps++ });
      if (!Number.isFinite(loss)) throw new Error(`the loss is ${loss}`);
    },
  });
}

/** Numbers of the size of a new model's weights. */
function noise(length: number): Float32Array {
  const numbers = new Float32Array(length);
  for (let i = 0, word = length; i < length; i++) {
    word = (Math.imul(word, 1664525) + 1013904223) >>> 0;
    numbers[i] = (word / 2 ** 32 - 0.5) * 0.07;
  }
  return numbers;
}

function batchOf(size: number) {
  const pixels = Float32Array.from({ length: size * 3 * 224 * 224 }, (_, i) => Math.sin(i * 0.37));
  return {
    pixelValues: { data: pixels, shape: [size, 3, 224, 224], dtype: "float32" as const },
    labels: { data: Int32Array.from({ length: size }, (_, i) => i % CLASSES), shape: [size], dtype: "int32" as const },
  };
}

/** Each step loads the checkpoint anew; the model of the step before is freed. With `read`, all numbers go to the engine. */
async function serveLoading(checkpoint: string, read: boolean): Promise<void> {
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
