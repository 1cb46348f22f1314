// A vision transformer small enough for tests, a batch for it, and a trainer's run over it.

import {
  type Batch,
  type BatchSource,
  getPeftModel,
  type Parameter,
  type ParameterData,
  type PeftConfig,
  type PeftModel,
  parseViTConfig,
  Trainer,
  type TrainerOptions,
  ViTForImageClassification,
} from "@peft/core";
import { fillGolden, goldenArray } from "@peft/core/testing";
import { mosaRecipe } from "../src/index.js";

/** Width, layers, classes. */
export const [D, L, C] = [16, 2, 3];

const config = parseViTConfig(
  {
    hidden_size: D,
    num_hidden_layers: L,
    num_attention_heads: 2,
    intermediate_size: 24,
    image_size: 16,
    patch_size: 8,
    layer_norm_eps: 1e-6,
    id2label: { 0: "a", 1: "b", 2: "c" },
  },
  "test",
);

export function tinyHost(): ViTForImageClassification {
  const host = new ViTForImageClassification(config);
  fillGolden(host.parameters());
  return host;
}

export const inputs = {
  pixelValues: { data: goldenArray(7, 2 * 3 * 16 * 16, 1), shape: [2, 3, 16, 16], dtype: "float32" as const },
  labels: { data: Int32Array.of(0, 2), shape: [2], dtype: "int32" as const },
};

/** The same batch, so many times an epoch. */
export function batches(batchesPerEpoch = 1, given: Batch["inputs"] = inputs): BatchSource {
  return {
    batchesPerEpoch,
    async *batches(_epoch, { start = 0 } = {}) {
      for (let i = start; i < batchesPerEpoch; i++) yield { inputs: given, size: 2 };
    },
  };
}

export async function train(model: PeftModel, options: Partial<TrainerOptions> = {}): Promise<void> {
  const recipe = mosaRecipe({ train: batches(), schedule: "constant", warmup: 0, learningRate: 1e-2, ...options });
  for await (const _ of new Trainer(model, recipe).run());
}

/** A model whose trained parameters are away from where they start, so that nothing is zero. */
export async function moved(
  given: PeftConfig,
  options: { host?: ViTForImageClassification; seed?: number } = {},
): Promise<PeftModel> {
  const { host = tinyHost(), seed } = options;
  const model = getPeftModel(host, given, { seed });
  for (const [i, parameter] of [...model.trainableParameters().values()].entries()) {
    const move = goldenArray(100 + i, parameter.size, 0.2);
    parameter.adopt(((await parameter.read()) as Float32Array).map((x, k) => x + move[k]!));
  }
  return model;
}

export async function readAll(parameters: ReadonlyMap<string, Parameter>): Promise<Map<string, ParameterData>> {
  const numbers = new Map<string, ParameterData>();
  for (const [name, parameter] of parameters) numbers.set(name, await parameter.read());
  return numbers;
}

export async function logitsOf(model: PeftModel | ViTForImageClassification): Promise<Float32Array> {
  const { logits } = await model({ pixelValues: inputs.pixelValues });
  const data = (await logits.data()).slice() as Float32Array;
  logits.dispose();
  return data;
}
