// The metrics of an evaluation, which add up sums over batches, against the pure functions over all examples.

import * as tf from "@tensorflow/tfjs";
import { afterAll, describe, expect, it } from "vitest";
import {
  accuracyScore,
  f1Score,
  type HostArray,
  type ModelOutput,
  matthewsCorrelation,
  pearsonCorrelation,
  rocAucScore,
  useEngine,
} from "../../src/index.js";
import {
  arrayBatches,
  binaryF1,
  evaluate,
  macroF1,
  matthews,
  pearson,
  rocAuc,
  topKAccuracy,
} from "../../src/train/index.js";
import { floats, Mlp, points } from "../train/models.js";

const COUNT = 23;
const { x, labels } = points(COUNT, 4);

async function logitsOf(model: Mlp): Promise<number[][]> {
  const { logits } = await model({ x });
  const rows = (await logits.array()) as number[][];
  tf.dispose(logits);
  return rows;
}

const largest = (row: number[]) => row.indexOf(Math.max(...row));
const batches = (wanted: HostArray) => arrayBatches({ x, labels: wanted }, { batchSize: 5 });

afterAll(() => useEngine("compiled"));

const ENGINES = { eager: () => useEngine("eager"), compiled: () => useEngine("compiled") };

describe.each(["eager", "compiled"] as const)(
  "on the %s engine, sums over batches give what the pure functions give",
  (engine) => {
    it("of three classes", async () => {
      await ENGINES[engine]();
      const model = new Mlp({ seed: 6 });
      const predictions = (await logitsOf(model)).map(largest);
      const metrics = [topKAccuracy(1), macroF1(3), matthews(3)];
      const made = await evaluate(model, batches(labels), { metrics });
      expect(made.top1Accuracy).toBeCloseTo(accuracyScore(predictions, labels.data), 12);
      expect(made.macroF1).toBeCloseTo(f1Score(predictions, labels.data, "macro"), 12);
      expect(made.matthews).toBeCloseTo(matthewsCorrelation(predictions, labels.data), 12);
      expect(new Set(predictions).size).toBeGreaterThan(1);
    });

    it("of two classes", async () => {
      await ENGINES[engine]();
      const model = new Mlp({ classes: 2, seed: 6 });
      const predictions = (await logitsOf(model)).map(largest);
      const two: HostArray = { ...labels, data: Int32Array.from(labels.data, (label) => Math.min(label, 1)) };
      const made = await evaluate(model, batches(two), { metrics: [binaryF1(), matthews(2)] });
      expect(made.binaryF1).toBeCloseTo(f1Score(predictions, two.data, "binary"), 12);
      expect(made.matthews).toBeCloseTo(matthewsCorrelation(predictions, two.data), 12);
    });

    it("of the order of examples, which needs those of all batches", async () => {
      await ENGINES[engine]();
      const model = new Mlp({ classes: 2, seed: 6 });
      const scores = (await logitsOf(model)).map(([first, second]) => second! - first!);
      const two: HostArray = { ...labels, data: Int32Array.from(labels.data, (label) => Math.min(label, 1)) };
      const { rocAuc: area } = await evaluate(model, batches(two), { metrics: [binaryF1(), rocAuc()] });
      expect(area).toBeCloseTo(rocAucScore(scores, two.data), 12);
      expect(area).not.toBe(0.5);
    });

    it("of numbers, within float32's rounding of the sums", async () => {
      await ENGINES[engine]();
      const model = regression();
      const predictions = (await logitsOf(model)).flat();
      const wanted = predictions.map((y, i) => y + Math.sin(i));
      for (const shape of [[COUNT], [COUNT, 1]]) {
        const made = await evaluate(model, batches(floats(wanted, shape)), { metrics: [pearson()] });
        expect(made.pearson).toBeCloseTo(pearsonCorrelation(predictions, wanted), 6);
      }
    });
  },
);

it("the metrics refuse labels of another kind, and fewer or more classes than they are of", async () => {
  const refused = { code: "SHAPE_MISMATCH", place: "labels" };
  const model = regression();
  for (const metric of [binaryF1(), matthews(3)]) {
    const wanted = batches(floats(new Float32Array(COUNT), [COUNT]));
    await expect(evaluate(model, wanted, { metrics: [metric] })).rejects.toMatchObject(refused);
  }
  await expect(evaluate(new Mlp(), batches(labels), { metrics: [pearson()] })).rejects.toMatchObject(refused);
  await expect(evaluate(new Mlp(), batches(labels), { metrics: [rocAuc()] })).rejects.toMatchObject({
    code: "SHAPE_MISMATCH",
    place: "logits",
  });
  const absent: HostArray = { ...labels, data: new Int32Array(COUNT) };
  await expect(evaluate(new Mlp({ classes: 2 }), batches(absent), { metrics: [rocAuc()] })).rejects.toMatchObject({
    code: "ARGUMENT_INVALID",
  });
  expect(() => matthews(1)).toThrow(expect.objectContaining({ code: "ARGUMENT_INVALID" }));
});

function regression(): Mlp {
  const model = new Mlp({ classes: 1, seed: 8 });
  model.loss = ({ logits }: ModelOutput) => tf.mean(logits);
  return model;
}
