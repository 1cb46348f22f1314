// Labels that are shares of the classes, as mixup makes them, from the loader to the trained weights.

import { beforeEach, describe, expect, it } from "vitest";
import {
  compile,
  DataLoader,
  evaluate,
  HALF_NORMALIZATION,
  type HostArray,
  InMemoryDataset,
  mixup,
  type Parameter,
  parseViTConfig,
  sgd,
  Trainer,
  useEngine,
} from "../../src/index.js";
import { goldenArray, relativeError } from "../../src/testing/index.js";
import { numbersOf, TrainedViT } from "../train/models.js";

const config = parseViTConfig(
  {
    hidden_size: 16,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: 32,
    hidden_dropout_prob: 0.1,
    image_size: 8,
    patch_size: 4,
    // Large weights, so that no gradient is close to nothing.
    initializer_range: 0.2,
    id2label: { 0: "dark", 1: "bright", 2: "red" },
  },
  "test",
);
const COLORS = [
  [40, 40, 40],
  [210, 210, 210],
  [220, 30, 30],
] as const;

/** Pictures of a colour, with some noise. */
const dataset = new InMemoryDataset(
  Array.from({ length: 14 }, (_, i) => {
    const noise = goldenArray(50 + i, 8 * 8 * 3, 20);
    const data = Uint8Array.from(noise, (x, at) => COLORS[i % 3]![at % 3]! + Math.round(x));
    return { image: { data, width: 8, height: 8 }, label: i % 3, id: `picture ${i}` };
  }),
  config.labels,
);

const loader = (mixes: boolean): DataLoader =>
  new DataLoader(dataset, {
    batchSize: 4,
    shuffle: true,
    seed: 3,
    normalization: HALF_NORMALIZATION,
    batchTransform: mixes ? mixup({ classes: 3, mixupAlpha: 0.8, cutmixAlpha: 1 }) : undefined,
  });

const pixelValues: HostArray = { data: goldenArray(7, 2 * 3 * 8 * 8, 1), shape: [2, 3, 8, 8], dtype: "float32" };
const lossOf = async (labels: HostArray): Promise<number> => {
  const model = new TrainedViT(config);
  const batch = { pixelValues, labels };
  const call = compile((pixels, given) => {
    const inputs = { pixelValues: pixels!, labels: given! };
    return model.loss(model.forward(inputs), inputs);
  });
  const loss = await call(batch.pixelValues, batch.labels);
  const [number] = await loss.data();
  loss.dispose();
  model.dispose();
  return number!;
};
const numbers = (labels: number[]): HostArray => ({
  data: Int32Array.from(labels),
  shape: [labels.length],
  dtype: "int32",
});
const shares = (rows: number[][]): HostArray => ({
  data: Float32Array.from(rows.flat()),
  shape: [rows.length, rows[0]!.length],
  dtype: "float32",
});

describe.each(["compiled", "eager"] as const)("soft labels, %s", (engine) => {
  beforeEach(async () => {
    await (engine === "compiled" ? useEngine("compiled", { threads: 1 }) : useEngine("eager"));
  });

  it("that give all to one class cost what the class's number costs", async () => {
    const rows = [
      [0, 0, 1],
      [0, 1, 0],
    ];
    expect(relativeError([await lossOf(shares(rows))], [await lossOf(numbers([2, 1]))])).toBeLessThan(1e-6);
  });

  it("cost the mean of what their classes cost, by their shares", async () => {
    const rows = [
      [0.3, 0, 0.7],
      [0.3, 0.7, 0],
    ];
    const mean = 0.3 * (await lossOf(numbers([0, 0]))) + 0.7 * (await lossOf(numbers([2, 1])));
    expect(relativeError([await lossOf(shares(rows))], [mean])).toBeLessThan(1e-6);
  });

  it("are refused where they are not a share of each class for each example", async () => {
    for (const labels of [shares([[0.5, 0.5]]), shares([[1], [1]]), { ...numbers([0, 1]), shape: [2, 1] }]) {
      await expect(lossOf(labels)).rejects.toMatchObject({ code: "SHAPE_MISMATCH" });
    }
  });
});

it("the engines agree on a vision transformer trained on mixed batches, and it learns", async () => {
  const train = async () => {
    const model = new TrainedViT(config);
    const before = await numbersOf(model.parameters());
    const first = await evaluate(model, loader(false));
    const losses: number[] = [];
    const trainer = new Trainer(model, {
      train: loader(true),
      epochs: 8,
      optimizer: sgd({ momentum: 0.9 }),
      learningRate: 0.02,
      schedule: "constant",
      warmup: 0,
      clipNorm: 1,
      seed: 1,
    });
    for await (const event of trainer.run()) if (event.type === "step") losses.push(event.loss);
    const last = await evaluate(model, loader(false));
    const after = await changes(model.parameters(), before);
    model.dispose();
    return { first, last, losses, after };
  };
  const { value: mixed } = await loader(true).batches(0).next();
  expect(mixed.inputs.labels).toMatchObject({ shape: [4, 3], dtype: "float32" });
  await useEngine("eager");
  const eager = await train();
  await useEngine("compiled", { threads: 1 });
  const compiled = await train();
  expect(compiled.losses).toHaveLength(32);
  expect(relativeError(compiled.losses, eager.losses)).toBeLessThan(1e-5);
  for (const [name, moved] of Object.entries(eager.after)) {
    if (name.endsWith("key.bias")) continue; // no gradient in exact arithmetic
    expect(relativeError(compiled.after[name]!, moved), `${name}: p_32 - p_0`).toBeLessThan(1e-4);
  }
  expect(compiled.last.accuracy).toBe(eager.last.accuracy);
  expect(compiled.last.loss).toBeLessThan(compiled.first.loss / 2);
});

/** How far each number has come. */
async function changes(
  parameters: ReadonlyMap<string, Parameter>,
  before: Readonly<Record<string, number[]>>,
): Promise<Record<string, number[]>> {
  const after = await numbersOf(parameters);
  return Object.fromEntries(
    Object.entries(after).map(([name, values]) => [name, values.map((x, i) => x - before[name]![i]!)]),
  );
}
