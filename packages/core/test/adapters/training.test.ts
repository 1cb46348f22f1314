import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  arrayBatches,
  BottleneckConfig,
  getPeftModel,
  LinearProbeConfig,
  LoraConfig,
  type PeftConfig,
  PeftModel,
  parseViTConfig,
  Trainer,
  useEngine,
  ViTForImageClassification,
} from "../../src/index.js";
import { fillGolden, goldenArray } from "../../src/testing/index.js";

const config = parseViTConfig(
  {
    hidden_size: 16,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: 24,
    image_size: 16,
    patch_size: 8,
    layer_norm_eps: 1e-6,
    id2label: { 0: "dark", 1: "light" },
  },
  "test",
);
const host = (): ViTForImageClassification => {
  const model = new ViTForImageClassification(config);
  fillGolden(model.parameters());
  return model;
};
/** Pictures that are dark or light, with noise. */
const [count, size] = [16, 3 * 16 * 16];
const labels = Int32Array.from({ length: count }, (_, i) => i % 2);
const pixels = goldenArray(5, count * size, 0.5).map((x, i) => x + (labels[Math.floor(i / size)]! ? 0.1 : -0.1));
const pixelValues = { data: pixels, shape: [count, 3, 16, 16], dtype: "float32" as const };

const METHODS: [string, PeftConfig][] = [
  ["LoRA with dropout", new LoraConfig({ r: 4, loraDropout: 0.1, headInit: "normal" })],
  ["AdaptFormer with dropout", new BottleneckConfig({ bottleneck: 4, headInit: "normal" })],
  ["a linear probe", new LinearProbeConfig({ headInit: "normal" })],
];

describe.each(METHODS)("%s", (_, method) => {
  it("is trained by the trainer alike on both engines, saved, and used from a fresh host", async () => {
    const results = [];
    for (const engine of ["eager", "compiled"] as const) {
      await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
      const model = getPeftModel(host(), method);
      const train = arrayBatches(
        { pixelValues, labels: { data: labels, shape: [count], dtype: "int32" } },
        { batchSize: 8 },
      );
      const losses: number[] = [];
      for await (const event of new Trainer(model, { train, steps: 12, learningRate: 3e-2, seed: 4 }).run()) {
        if (event.type === "step") losses.push(event.loss);
      }
      expect(losses).toHaveLength(12);
      const { logits } = await model({ pixelValues });
      const trained = await logits.data();
      const folder = mkdtempSync(join(tmpdir(), "peft-"));
      await model.savePretrained(folder);
      const loaded = await PeftModel.fromPretrained(host(), folder);
      expect(await (await loaded({ pixelValues })).logits.data()).toEqual(trained);
      results.push({ losses, trained });
    }
    const [eager, compiled] = results;
    for (const [i, loss] of compiled!.losses.entries()) expect(Math.abs(loss - eager!.losses[i]!)).toBeLessThan(1e-3);
    const first = eager!.losses.slice(0, 2).reduce((sum, x) => sum + x);
    const last = eager!.losses.slice(-2).reduce((sum, x) => sum + x);
    expect(last).toBeLessThan(first);
  });
});
