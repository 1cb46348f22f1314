// The planner's account of a training step.

import { expect, it } from "vitest";
import { adamW, estimateMemory, parseViTConfig, sgd } from "../../src/index.js";
import { TrainedViT } from "./models.js";

const host = new TrainedViT(
  parseViTConfig(
    { hidden_size: 64, num_attention_heads: 4, intermediate_size: 256, num_hidden_layers: 6, image_size: 64 },
    "tiny",
  ),
);
const batch = (size: number) => ({
  pixelValues: { shape: [size, 3, 64, 64], dtype: "float32" as const },
  labels: { shape: [size], dtype: "int32" as const },
});
const bytes = 4 * [...host.parameters().values()].reduce((sum, { size }) => sum + size, 0);

it("counts the parameters, the optimizer's state and the copies exactly", () => {
  const { parameters, state, copies } = estimateMemory(host, batch(2), { optimizer: adamW() });
  expect(parameters).toBe(bytes);
  expect(state).toBe(2 * bytes);
  expect(copies).toBe(3 * bytes);
  expect(estimateMemory(host, batch(2), { optimizer: sgd() }).state).toBe(0);
});

it("says that activations grow with the batch and shrink with checkpointing", () => {
  const of = (size: number, gradientCheckpointing = false): number =>
    estimateMemory(host, batch(size), { optimizer: adamW(), gradientCheckpointing }).activations;
  expect(of(64) / of(32)).toBeGreaterThan(1.7);
  expect(of(64, true)).toBeLessThan(0.8 * of(64));
});

it("adds up, the runtime included", () => {
  const { total, parameters, state, activations, runtime } = estimateMemory(host, batch(8), { optimizer: adamW() });
  expect(total).toBeGreaterThan(parameters + state + activations + runtime);
});
