// A vision transformer small enough for tests, a batch for it, and a trainer's run over it. In the tests' sentences §8.n is the
// test of that number in `mosa.md`.

import {
  type Batch,
  type BatchSource,
  getPeftModel,
  type HostArray,
  type HostModel,
  type Parameter,
  type ParameterData,
  type PeftConfig,
  type PeftModel,
  parseSwinConfig,
  parseViTConfig,
  SwinForImageClassification,
  Trainer,
  type TrainerOptions,
  ViTForImageClassification,
} from "@peft/core";
import { fillGolden, goldenArray } from "@peft/core/testing";
import { mosaRecipe } from "../src/index.js";

/** Width, layers, classes. */
export const D = 16;
export const L = 2;
export const C = 3;

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

export const inputs: Record<"pixelValues" | "labels", HostArray> = {
  pixelValues: { data: goldenArray(7, 2 * 3 * 16 * 16, 1), shape: [2, 3, 16, 16], dtype: "float32" },
  labels: { data: Int32Array.of(0, 2), shape: [2], dtype: "int32" },
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

/** Steps at a constant rate, one at a time: `for await (const step of steps(model))`. */
export async function* steps(model: PeftModel, options: Partial<TrainerOptions> = {}): AsyncGenerator<number> {
  const recipe = mosaRecipe({ train: batches(), schedule: "constant", warmup: 0, learningRate: 1e-2, ...options });
  for await (const event of new Trainer(model, recipe).run()) if (event.type === "step") yield event.step;
}

export async function train(model: PeftModel, options: Partial<TrainerOptions> = {}): Promise<void> {
  for await (const _ of steps(model, options));
}

/** A model whose trained parameters are away from where they start, so that nothing is zero. */
export async function moved(given: PeftConfig, options: { host?: HostModel; seed?: number } = {}): Promise<PeftModel> {
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

export async function logitsOf(model: HostModel): Promise<Float32Array> {
  const { logits } = await model({ pixelValues: inputs.pixelValues });
  const data = (await logits.data()).slice() as Float32Array;
  logits.dispose();
  return data;
}

/** Widths of the blocks of `tinySwin`. */
export const SWIN_WIDTHS: readonly number[] = [8, 8, 16, 16];

/** A Swin transformer of two stages, which leaves out branches at `path`. */
export function tinySwin({ path = 0 }: { path?: number } = {}): SwinForImageClassification {
  const json = { embed_dim: 8, depths: [2, 2], num_heads: [2, 2], window_size: 2, patch_size: 4, image_size: 16 };
  const names = { id2label: { 0: "a", 1: "b", 2: "c" }, drop_path_rate: path };
  const host = new SwinForImageClassification(parseSwinConfig({ ...json, ...names }, "test"));
  fillGolden(host.parameters());
  return host;
}
