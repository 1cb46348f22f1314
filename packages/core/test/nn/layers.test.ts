// Layers over the ops: their parameters' names, and what they do with their options. The ops' numbers are tested with the ops.

import * as tf from "@tensorflow/tfjs";
import { afterAll, describe, expect, it } from "vitest";
import { gradients } from "../../src/engine/index.js";
import {
  AvgPool2d,
  activation,
  BatchNorm,
  ConvTranspose2d,
  compile,
  constant,
  Embedding,
  GroupNorm,
  inTraining,
  MaxPool2d,
  namedParameters,
  RMSNorm,
  Upsample,
  useEngine,
} from "../../src/index.js";

const host = (data: number[], shape: number[]): { data: Float32Array; shape: number[]; dtype: "float32" } => ({
  data: Float32Array.from(data),
  shape,
  dtype: "float32",
});

afterAll(async () => {
  await useEngine("eager");
});

describe("normalisation layers", () => {
  it("name their parameters as PyTorch does", () => {
    expect([...namedParameters(new GroupNorm(2, 4, 1e-5)).keys()]).toEqual(["weight", "bias"]);
    expect([...namedParameters(new RMSNorm(4, 1e-6)).keys()]).toEqual(["weight"]);
    const names = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"];
    expect([...namedParameters(new BatchNorm(4)).keys()]).toEqual(names);
    expect(new BatchNorm(4).num_batches_tracked.shape).toEqual([]);
  });

  for (const engine of ["eager", "compiled"] as const) {
    it(`a batch norm moves its running moments in a training step and uses them otherwise, ${engine}`, async () => {
      await (engine === "eager" ? useEngine("eager") : useEngine("compiled"));
      const layer = new BatchNorm(1, { momentum: 0.5, eps: 0 });
      const train = compile((x) => inTraining(() => layer.forward(x!)));
      const evaluate = compile((x) => layer.forward(x!));
      const x = host([1, 3, 5, 7], [4, 1]);
      const y = await (await train(x)).data();
      [-3, -1, 1, 3].forEach((wanted, i) => {
        expect(y[i]).toBeCloseTo(wanted / Math.sqrt(5), 5);
      });
      // Mean 4; variance 5, and 20 / 3 without the bias.
      expect([...(await layer.running_mean.read())]).toEqual([2]);
      expect((await layer.running_var.read())[0]).toBeCloseTo(0.5 + 10 / 3, 5);
      await train(x);
      expect([...(await layer.num_batches_tracked.read())]).toEqual([2]);
      expect([...(await layer.running_mean.read())]).toEqual([3]);
      const variance = (await layer.running_var.read())[0]!;
      const at = await (await evaluate(host([3, 5], [2, 1]))).data();
      expect(at[0]).toBeCloseTo(0, 5);
      expect(at[1]).toBeCloseTo(2 / Math.sqrt(variance), 5);
      expect([...(await layer.num_batches_tracked.read())]).toEqual([2]);
    });
  }
});

describe("layers that change sizes", () => {
  const shapeOf = async (layer: { forward(x: tf.Tensor): tf.Tensor }): Promise<number[]> => {
    await useEngine("eager");
    return (await compile((x) => layer.forward(x!))(tf.zeros([2, 4, 7, 6]))).shape;
  };

  it("pass on how their windows lie", async () => {
    const transposed = new ConvTranspose2d(4, 6, { kernel: [3, 2], stride: [2, 1], outputPadding: [1, 0], groups: 2 });
    expect(transposed.weight.shape).toEqual([4, 3, 3, 2]);
    expect(await shapeOf(transposed)).toEqual([2, 6, 16, 7]);
    expect(await shapeOf(new MaxPool2d({ kernel: 2, ceilMode: true }))).toEqual([2, 4, 4, 3]);
    expect(await shapeOf(new AvgPool2d({ kernel: [3, 2], stride: 1, padding: [1, 0] }))).toEqual([2, 4, 7, 5]);
    expect(await shapeOf(new Upsample({ scaleFactor: 2 }))).toEqual([2, 4, 14, 12]);
    expect(await shapeOf(new Upsample({ size: [9, 3], mode: "bilinear" }))).toEqual([2, 4, 9, 3]);
  });
});

describe("activations", () => {
  it("are found by the names of Hugging Face configs, and by no others", () => {
    expect(activation("quick_gelu")).toBeTypeOf("function");
    expect(() => activation("toString")).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
  });
});

describe("an embedding", () => {
  for (const engine of ["eager", "compiled"] as const) {
    it(`gives the row of padding no gradient when it is looked up, ${engine}`, async () => {
      await (engine === "compiled" ? useEngine(engine) : useEngine(engine));
      const plain = new Embedding(4, 2, constant(0.5));
      const padded = new Embedding(4, 2, constant(0.5), { padding: 1 });
      const ids = { data: Int32Array.of(1, 2, 1, 0), shape: [2, 2], dtype: "int32" as const };
      const gradientOf = compile((rows) => {
        const both = [plain, padded].map((table) => {
          const loss = () => tf.sum(tf.square(table.forward(rows!))) as tf.Scalar;
          return gradients(loss, [table.weight]).gradients[0]!;
        });
        return { plain: both[0]!, padded: both[1]!, vectors: padded.forward(rows!) };
      });
      const found = await gradientOf(ids);
      expect([...(await found.vectors.data())]).toEqual(new Array(8).fill(0.5));
      expect([...(await found.plain.data())]).toEqual([1, 1, 2, 2, 1, 1, 0, 0]);
      expect([...(await found.padded.data())]).toEqual([1, 1, 0, 0, 1, 1, 0, 0]);
    });
  }
});
