// Training on a WebGPU device. A node that the device has no kernel for is an error, so what runs has fallen back nowhere.

import { type Batch, getPeftModel, parseViTConfig, Trainer, useEngine, ViTForImageClassification } from "@peft/core";
import { fillGolden, goldenArray, roadAbsence } from "@peft/core/testing";
import { afterAll, expect, it } from "vitest";
import { MosaConfig, mosaRecipe } from "../src/index.js";
import { batches } from "./tiny.js";

const STEPS = 20;
/** How far a step's loss may be from the CPU's. */
const BOUND = 1e-4;
/** Small, because the software device of a machine without a card takes seconds for a picture. */
const BATCH = 2;
const TIMEOUT_MS = 900_000;
const CLASSES = 4;
const SIDE = 32;

/** The host of the MoSA example: 4 blocks of width 128 over 64 patches. */
const config = parseViTConfig(
  {
    hidden_size: 128,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    intermediate_size: 256,
    image_size: SIDE,
    patch_size: 4,
    layer_norm_eps: 1e-6,
    id2label: Object.fromEntries(Array.from({ length: CLASSES }, (_, i) => [i, `class ${i}`])),
  },
  "test",
);

/** Other numbers in every step of an epoch would hide nothing and cost memory: one batch, again and again. */
const inputs: Batch["inputs"] = {
  pixelValues: { data: goldenArray(7, BATCH * 3 * SIDE * SIDE, 1), shape: [BATCH, 3, SIDE, SIDE], dtype: "float32" },
  labels: { data: Int32Array.from({ length: BATCH }, (_, i) => i % CLASSES), shape: [BATCH], dtype: "int32" },
};

async function lossCurve(): Promise<number[]> {
  const host = new ViTForImageClassification(config);
  fillGolden(host.parameters());
  const model = getPeftModel(host, new MosaConfig({ bottleneck: 32, numExperts: 4 }));
  const train = batches(STEPS, inputs);
  const trainer = new Trainer(model, mosaRecipe({ train, epochs: 1, learningRate: 3e-3, scheduleBy: "step" }));
  const losses: number[] = [];
  for await (const event of trainer.run()) if (event.type === "step") losses.push(event.loss);
  model.dispose();
  return losses;
}

afterAll(() => useEngine("compiled"), TIMEOUT_MS);

const absent = await roadAbsence("compiled:webgpu");

it.skipIf(absent !== undefined)(
  `${STEPS} steps on a WebGPU device have the CPU's losses${absent === undefined ? "" : ` (skipped: ${absent})`}`,
  async () => {
    await useEngine("compiled", { device: "webgpu" });
    const found = await lossCurve();
    await useEngine("compiled");
    const expected = await lossCurve();
    expect(expected).toHaveLength(STEPS);
    expect(Math.min(...expected)).toBeLessThan(expected[0]!);
    const errors = found.map((loss, i) => Math.abs(loss - expected[i]!));
    expect(Math.max(...errors)).toBeLessThan(BOUND);
  },
  TIMEOUT_MS,
);
